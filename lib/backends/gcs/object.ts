import { Buffer } from "node:buffer";
import type { RelPath } from "../../core/path.ts";
import type { FileEntry } from "../../core/entry.ts";

/**
 * An object as the server describes it, validated. `md5`: lower-case hex; `crc32c`: base64 of its four bytes, as the
 * server writes it.
 */
export interface GcsObject {
  readonly name: string;
  readonly size: number;
  readonly generation: string;
  readonly metageneration: string;
  readonly md5?: string;
  readonly crc32c?: string;
  /** ms since the epoch, from metadata: never the time of the upload. `timeStep`: if it is in whole seconds. */
  readonly modified?: number;
  readonly timeStep?: number;
}

/** A page of a listing. */
export interface GcsPage {
  readonly items: readonly GcsObject[];
  readonly prefixes: readonly string[];
  readonly next?: string;
}

/** The fields that describe an object, for the parameter `fields` of requests. */
export const OBJECT_FIELDS = "name,size,generation,metageneration,md5Hash,crc32c,metadata";

/** The same for a page. Its kind is requested, so that an empty listing can be distinguished from an empty reply. */
export const PAGE_FIELDS = `kind,nextPageToken,prefixes,items(${OBJECT_FIELDS})`;

/** Parses the description of an object. Throws a RangeError with a readable reason. */
export function parseObject(value: unknown): GcsObject {
  const fields = toRecord(value, "an object in it");
  const name = stringField(fields, "name");
  if (name === undefined || name === "") throw new RangeError("an object in it has no name");
  if (name.length > MAX_NAME_LENGTH) {
    throw new RangeError(`an object in it has a name of more than ${MAX_NAME_LENGTH} characters`);
  }
  const size = Number(integerField(fields, "size"));
  if (!Number.isSafeInteger(size)) throw new RangeError("an object in it has an impossible size");
  const md5 = decodeHash(stringField(fields, "md5Hash"), 16)?.toString("hex");
  const crc32c = decodeHash(stringField(fields, "crc32c"), 4)?.toString("base64");
  return {
    name,
    size,
    generation: integerField(fields, "generation"),
    metageneration: integerField(fields, "metageneration"),
    ...(md5 === undefined ? {} : { md5 }),
    ...(crc32c === undefined ? {} : { crc32c }),
    ...parseMtime(ownField(fields, "metadata")),
  };
}

/** Cloud Storage's names have at most 1,024 bytes. */
const MAX_NAME_LENGTH = 4096;

/** Parses a page of a listing (objects.list). Throws a RangeError with a readable reason. */
export function parsePage(value: unknown): GcsPage {
  const fields = toRecord(value, "it");
  if (ownField(fields, "kind") !== "storage#objects") throw new RangeError("it is no listing");
  const next = stringField(fields, "nextPageToken");
  return {
    items: arrayField(fields, "items").map(parseObject),
    prefixes: arrayField(fields, "prefixes").map((prefix) => {
      if (typeof prefix === "string") return prefix;
      throw new RangeError("a folder in it has no name");
    }),
    ...(next === undefined || next === "" ? {} : { next }),
  };
}

/** Returns the value as a JSON object. Throws a RangeError, named by `what`, for any other value. */
export function toRecord(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new RangeError(`${what} is no JSON object`);
}

/** Returns a string that is the record's own property; undefined if there is none. */
export function stringField(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = ownField(fields, name);
  return typeof value === "string" ? value : undefined;
}

/** Returns the entry of an object. Its generation changes with its bytes and with nothing else. */
export function toFileEntry(path: RelPath, object: GcsObject): FileEntry {
  const { size, generation, md5, modified, timeStep } = object;
  return {
    kind: "file",
    path,
    size,
    ...(modified === undefined ? {} : { modified }),
    ...(timeStep === undefined ? {} : { timeStep }),
    revision: generation,
    ...(md5 === undefined ? {} : { checksum: `md5:${md5}` }),
  };
}

/**
 * Returns the metadata that stores a file's mtime: rclone's form (RFC 3339), and that of gsutil and gcloud (whole
 * seconds). `nanoseconds`: those beyond the ms, if they are known.
 */
export function formatMtime(modified: number, nanoseconds?: number): Readonly<Record<string, string>> {
  const micros = Math.round(modified * 1000);
  const seconds = Math.floor(micros / 1_000_000);
  const beyond = nanoseconds === undefined
    ? (micros - seconds * 1_000_000) * 1000
    : (Math.floor(modified) - seconds * 1000) * 1_000_000 + nanoseconds;
  const fraction = String(beyond).padStart(9, "0").replace(/0+$/, "");
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return {};
  const text = date.toISOString().slice(0, -".000Z".length);
  return {
    "mtime": `${text}${fraction === "" ? "" : `.${fraction}`}Z`,
    "goog-reserved-file-mtime": String(seconds),
  };
}

/**
 * Parses an mtime, also those of other tools: rclone's, s3fs's seconds, gcsfuse's; gsutil's and gcloud's in whole
 * seconds.
 */
function parseMtime(metadata: unknown): { readonly modified?: number; readonly timeStep?: number } {
  if (metadata === undefined) return {};
  const fields = toRecord(metadata, "the metadata of an object in it");
  for (const name of ["mtime", "gcsfuse_mtime"]) {
    const modified = parseTime(stringField(fields, name) ?? "");
    if (modified !== undefined) return { modified };
  }
  const seconds = parseTime(stringField(fields, "goog-reserved-file-mtime") ?? "");
  return seconds === undefined ? {} : { modified: seconds, timeStep: 1000 };
}

const RFC3339 = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;
const SECONDS = /^-?\d{1,12}(?:\.\d{1,9})?$/;
/** As seconds they would be a year beyond 33,000. */
const MILLISECONDS = /^\d{13}$/;

/** Returns a time in ms. */
function parseTime(text: string): number | undefined {
  if (SECONDS.test(text)) return Math.round(Number(text) * 1_000_000) / 1000;
  if (MILLISECONDS.test(text)) return Number(text);
  const [, date, fraction = "0", zone] = RFC3339.exec(text) ?? [];
  if (date === undefined || zone === undefined) return undefined;
  const whole = Date.parse(`${date}${zone}`.toUpperCase());
  return Number.isNaN(whole) ? undefined : whole + Math.round(Number(fraction) * 1_000_000) / 1000;
}

/** Returns an own property, so that a name such as __proto__ has no special meaning. */
function ownField(fields: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/**
 * Returns an integer as text: the API sends integers as strings, because they may exceed the exact range of a number.
 */
function integerField(fields: Readonly<Record<string, unknown>>, name: string): string {
  const text = stringField(fields, name);
  if (text !== undefined && /^\d{1,20}$/.test(text)) return text;
  throw new RangeError(`an object in it has no ${name}`);
}

function arrayField(fields: Readonly<Record<string, unknown>>, name: string): readonly unknown[] {
  const value = ownField(fields, name);
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw new RangeError(`its ${name} are no list`);
}

function decodeHash(text: string | undefined, length: number): Buffer | undefined {
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === length ? bytes : undefined;
}
