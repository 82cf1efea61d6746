import assert from "node:assert/strict";
import type { Backend, CallOptions } from "../../lib/core/backend.ts";
import { tempTag } from "../../lib/core/temp_name.ts";
import { type ErrorKind, SyncError } from "../../lib/core/errors.ts";
import { root, toRelPath } from "../../lib/core/path.ts";
import type { DirEntry, Entry, FileEntry, LinkEntry } from "../../lib/core/entry.ts";
import { collect, isSame, wholeBody } from "../support/content.ts";

export const optionalMethods = [
  "rename",
  "copy",
  "hardLink",
  "makeLink",
  "setModified",
  "setMode",
  "flush",
  "checksum",
  "walk",
] as const;

/** The backend of one case. The optional members make the test's server or line misbehave. */
export interface Fixture {
  readonly backend: Backend;
  /** Cuts the line for good. */
  cut?(): void | Promise<void>;
  /** Keeps the line open and carries nothing any more. */
  silence?(): void | Promise<void>;
  /** Makes the server answer everything with "busy, come back later": 503, or its protocol's like. */
  busy?(): void | Promise<void>;
  /** Makes the server keep fewer bytes of each file than it is sent, and call that a success. */
  keepShort?(): void | Promise<void>;
  /** Makes the server list these names in the root, beside the real ones, as it would list any. */
  listNames?(names: readonly string[]): void | Promise<void>;
  /** The root as a folder of this machine's disk, so that cases can plant links, pipes and odd names there. */
  readonly disk?: string;
  /** A secret this backend was opened with; it may stand in no label. */
  readonly secret?: string;
}

/** The means that not every test's server has. */
export type Means = "cut" | "silence" | "busy" | "keepShort" | "listNames" | "disk";

/** The options with which a backend is opened. `timeout`: its -Timeout in ms. */
export interface FreshOptions {
  readonly timeout?: number;
}

/** One promise of the contract. `method`: only if the backend has it; `needs`: only if fresh() gives it. */
export interface Case extends FreshOptions {
  readonly name: string;
  readonly method?: (typeof optionalMethods)[number];
  readonly needs?: Means;
  run(rig: Fixture): Promise<void>;
}

/** A call that nobody cancels. */
export const call: CallOptions = { signal: new AbortController().signal };

/** The result of `work`, or a failure when it takes longer than `ms`: a hang must be a failed test, not a stuck one. */
export async function withDeadline<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`still running after ${ms} ms`)), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asserts a SyncError, of one of these kinds where some are given. */
export async function assertRejects(work: Promise<unknown>, ...kinds: readonly ErrorKind[]): Promise<SyncError> {
  try {
    await work;
  } catch (error) {
    assert.ok(
      error instanceof SyncError,
      `rejected with ${error instanceof Error ? error.stack : error}, no SyncError`,
    );
    if (kinds.length > 0) {
      assert.ok(kinds.includes(error.kind), `kind is ${error.kind}, not ${kinds.join(" or ")}: ${error.message}`);
    }
    return error;
  }
  return assert.fail(`resolved, expected ${kinds.length > 0 ? kinds.join(" or ") : "a SyncError"}`);
}

/** Writes a small file without any expectation. */
export function put(
  backend: Backend,
  path: string,
  content: string | Uint8Array<ArrayBuffer>,
  modified = 1_700_000_000_000,
): Promise<FileEntry> {
  const size = typeof content === "string" ? new TextEncoder().encode(content).length : content.length;
  return backend.write(toRelPath(path), wholeBody(content), { ...call, size, modified });
}

/** The content of a file. */
export async function get(backend: Backend, path: string): Promise<Uint8Array<ArrayBuffer>> {
  return await collect(await backend.read(toRelPath(path), call));
}

/** The content of a file as text. */
export async function text(backend: Backend, path: string): Promise<string> {
  return new TextDecoder().decode(await get(backend, path));
}

/** Makes a folder. */
export function folder(backend: Backend, path: string): Promise<DirEntry> {
  return backend.makeDir(toRelPath(path), call);
}

/** The entry at a path, which must be there. */
export async function entry(backend: Backend, path: string): Promise<Entry> {
  const found = await backend.stat(toRelPath(path), call);
  assert.ok(found !== undefined, `"${path}" is absent`);
  return found;
}

/** The file at a path, which must be there. */
export async function file(backend: Backend, path: string): Promise<FileEntry> {
  const found = await entry(backend, path);
  assert.ok(found.kind === "file", `"${path}" is a ${found.kind}`);
  return found;
}

/** The link at a path, which must be there. */
export async function link(backend: Backend, path: string): Promise<LinkEntry> {
  const found = await entry(backend, path);
  assert.ok(found.kind === "link", `"${path}" is a ${found.kind}`);
  return found;
}

/** Everything in a folder, sorted by path. */
export async function entries(backend: Backend, dir = ""): Promise<readonly Entry[]> {
  const found = await backend.list(dir === "" ? root : toRelPath(dir), call);
  return found.toSorted((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

/** The paths in a folder, sorted; leftovers of broken writes stay out where `leftovers` is "hidden". */
export async function paths(backend: Backend, dir = "", leftovers: "shown" | "hidden" = "shown"): Promise<string[]> {
  const found = (await entries(backend, dir)).map((one) => one.path as string);
  return leftovers === "hidden" ? found.filter((path) => tempTag(path) === undefined) : found;
}

/** Asserts equal bytes without printing millions of them. */
export function assertSameBytes(found: Uint8Array, expected: Uint8Array): void {
  assert.equal(found.length, expected.length, "the lengths differ");
  assert.ok(isSame(found, expected), "the bytes differ");
}
