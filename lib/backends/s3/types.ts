import type { Listed } from "./keys.ts";

/** How to reach one bucket, and how everything in it is written. */
export interface StoreOptions {
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly bucket: string;
  readonly pathStyle: boolean;
  readonly profile: string | undefined;
  readonly credentials: Credentials | undefined;
  /** ms without a byte in either direction after which a request is given up. */
  readonly timeout: number;
  readonly connections: number;
  /** See TlsTrust. */
  readonly pins?: readonly string[];
  readonly manners: Manners;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  /** A secret that came with the login: see Target. */
  conceal(secret: string): void;
}

/** A key that logs in; without one the environment, ~/.aws, SSO and the machine's role are looked through. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** What users may ask of everything that is written. */
export interface Manners {
  readonly storageClass: string | undefined;
  readonly acl: string | undefined;
  readonly cacheControl: string | undefined;
  readonly encryption: string | undefined;
  readonly requesterPays: boolean;
}

/** An object as HEAD and GET show it. `etag` without quotes; `modified`: when it came there, in ms. */
export interface ObjectFacts {
  readonly size: number;
  readonly etag: string | undefined;
  readonly arrived: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Is it encrypted with a key of the user's, so that its ETag is no MD5? */
  readonly isSealed: boolean;
  /** What a copy onto itself has to say again. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An object on its way, as its content is taken: fill() to its end, or collect(). Both reject with connection, timeout or cancelled. */
export interface Download {
  readonly facts: ObjectFacts;
  /** Its first byte that is given. */
  readonly from: number;
  /** Bytes that should be given. */
  readonly length: number;
  /** Puts the next bytes into the memory, and gives them; undefined at the end. */
  fill(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** All of them, in the memory where that is given: one byte larger than they are. */
  collect(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** Lets the connection go of which no more is wanted. */
  drop(): void;
}

/** Which page of a listing: behind a token or a key, of `most` keys at most; with a delimiter what lies deeper is one prefix. */
export interface PageOptions {
  readonly delimiter?: string;
  readonly token?: string;
  readonly after?: string;
  readonly most?: number;
}

/** One page of a listing. */
export interface Page {
  readonly objects: readonly Listed[];
  readonly prefixes: readonly string[];
  /** The token of the next page, undefined behind the last one. */
  readonly next: string | undefined;
}

/** What must hold at the key, ETags without quotes. `bare`: an If-Match without quotes, as some stores compare it. */
export interface Condition {
  readonly ifMatch?: string;
  readonly bare?: boolean;
  readonly ifNoneMatch?: boolean;
}

/** What a new object is given. */
export interface NewObject extends Condition {
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
}

/** One stored part of an unfinished upload. `stored`: ms since the epoch by the store's clock. */
export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly stored: number;
}

/** An upload that somebody began and did not finish. `begun`: ms since the epoch, 0 where the store does not tell; `by`: whose key began it. */
export interface Upload {
  readonly id: string;
  readonly begun: number;
  readonly by: string | undefined;
  readonly storageClass: string | undefined;
}

/** What goes with bytes: their MD5 in base64, and who hears of them on their way. */
export interface Sent {
  readonly md5: string;
  onBytes?(bytes: number): void;
}

/** What the store said of what it stored. */
export interface Stored {
  readonly etag: string | undefined;
  readonly isSealed: boolean;
}
