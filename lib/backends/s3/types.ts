import type { Proxy } from "../../net/tcp.ts";
import type { ListedObject } from "./keys.ts";

/** The connection to one bucket, and the options of the objects written to it. */
export interface S3ClientOptions {
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly bucket: string;
  readonly pathStyle: boolean;
  readonly profile: string | undefined;
  readonly credentials: Credentials | undefined;
  /** Ms without a byte in either direction after which a request fails. */
  readonly timeout: number;
  readonly connections: number;
  /** See listingTimeout(). */
  readonly listingTimeout: number;
  /** See TlsTrust. */
  readonly pins?: readonly string[];
  /** Returns the proxy for the address; see findProxy(). */
  proxyFor(url: URL): Promise<Proxy | undefined>;
  readonly objectOptions: ObjectOptions;
  /** Returns an environment variable. */
  env(name: string): string | undefined;
  /** Registers a secret that came with the credentials: see ConnectContext. */
  conceal(secret: string): void;
}

/** An access key. Without one, the environment, ~/.aws, SSO and the host's role are searched. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The user's options for every object that is written. */
export interface ObjectOptions {
  readonly storageClass: string | undefined;
  readonly acl: string | undefined;
  readonly cacheControl: string | undefined;
  readonly encryption: string | undefined;
  readonly requesterPays: boolean;
}

/** An object as HEAD and GET report it. `etag` has no quotes; `arrived`: the upload time, in ms. */
export interface ObjectFacts {
  readonly size: number;
  readonly etag: string | undefined;
  readonly arrived: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether it is encrypted with a key of the user's, so that its ETag is no MD5. */
  readonly isEtagOpaque: boolean;
  /** The headers that a copy onto itself must state again. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The download of an object. Its content is read by fill() to its end, or by collect(). Both reject with connection,
 * timeout or cancelled.
 */
export interface Download {
  readonly facts: ObjectFacts;
  /** The offset of the first byte returned. */
  readonly from: number;
  /** The expected number of bytes. */
  readonly length: number;
  /** Reads the next bytes into the memory and returns them; undefined at the end. */
  fill(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Returns all of them, in `memory` if it is given: one byte larger than they are. */
  collect(memory?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** Releases the connection if no more bytes are wanted. */
  drop(): void;
}

/**
 * Selects a page of a listing: after a token or a key, of at most `most` keys. With a delimiter, deeper keys are
 * reported as one prefix.
 */
export interface PageOptions {
  readonly delimiter?: string;
  readonly token?: string;
  readonly after?: string;
  readonly most?: number;
}

/** One page of a listing. */
export interface Page {
  readonly objects: readonly ListedObject[];
  readonly prefixes: readonly string[];
  /** The token of the next page, undefined after the last one. */
  readonly next: string | undefined;
}

/**
 * The precondition on the key, ETags without quotes. `bare`: sends If-Match without quotes, as some stores compare it.
 */
export interface Condition {
  readonly ifMatch?: string;
  readonly bare?: boolean;
  readonly ifNoneMatch?: boolean;
}

/** The metadata and precondition of a new object. */
export interface NewObject extends Condition {
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
}

/** One stored part of an unfinished upload. `stored`: ms since the epoch by the store's clock. */
export interface ListedPart {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly stored: number;
}

/**
 * An unfinished multipart upload. `begun`: ms since the epoch, 0 if the store does not report it; `by`: the owner of
 * the key that began it.
 */
export interface UnfinishedUpload {
  readonly id: string;
  readonly begun: number;
  readonly by: string | undefined;
  readonly storageClass: string | undefined;
}

/** The Content-MD5 of a body in base64, and a callback for progress. */
export interface BodyOptions {
  readonly md5: string;
  onBytes?(bytes: number): void;
}

/** The store's reply to a write. */
export interface WriteReply {
  readonly etag: string | undefined;
  readonly isEtagOpaque: boolean;
}
