import type { RelPath } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import type { Backend, CallOptions, Content, Precondition, ReadOptions, WriteOptions } from "../../core/backend.ts";
import { describeMismatch } from "../shared/preconditions.ts";

export type Operation =
  | "at"
  | "list"
  | "stat"
  | "read"
  | "write"
  | "makeDir"
  | "remove"
  | "removeLink"
  | "rename"
  | "copy"
  | "hardLink"
  | "makeLink"
  | "setModified"
  | "setMode"
  | "flush"
  | "checksum"
  | "walk";

/** One backend call as a layer receives it. */
export interface BackendCall<T> {
  readonly operation: Operation;
  readonly path: string;
  readonly signal: AbortSignal;
  /** Makes the call; may be called repeatedly. */
  run(): Promise<T>;
  /** Reverts the progress that a failed attempt reported. */
  revertProgress?(): void;
  /** Returns the result after an attempt whose reply was lost, if a stat shows that the call was carried out. */
  confirmedResult?(): Promise<{ readonly value: T } | undefined>;
}

/** A listing of a whole subtree as a layer receives it. */
export interface WalkCall {
  readonly operation: "walk";
  readonly path: RelPath;
  readonly signal: AbortSignal;
  run(): AsyncIterable<readonly Entry[]>;
}

/** The handlers of a layer for the calls of the inner backend. */
export interface CallHandlers {
  call<T>(attempt: BackendCall<T>): Promise<T>;
  walk(listing: WalkCall): AsyncIterable<readonly Entry[]>;
  /** Wraps an opened content while it is read. */
  content?(
    content: Content,
    reading: { readonly inner: Backend; readonly path: RelPath; readonly options: ReadOptions },
  ): Content;
}

/**
 * Returns the backend with a layer around every call, also for backends from at(). An optional method that the inner
 * one lacks stays absent.
 */
export function decorate(inner: Backend, around: CallHandlers): Backend {
  const { label, traits, root: place, fingerprint: peer } = inner;
  return {
    label,
    traits,
    root: place,
    ...(peer === undefined ? {} : { fingerprint: peer }),
    ...(inner.pinnedOptions === undefined ? {} : { pinnedOptions: () => inner.pinnedOptions?.() ?? {} }),
    withRoot: async (folder, { signal }) => {
      const run = () => inner.withRoot(folder, { signal });
      return decorate(await around.call({ operation: "at", path: folder, signal, run }), around);
    },
    list: (path, { signal }) =>
      around.call({ operation: "list", path, signal, run: () => inner.list(path, { signal }) }),
    stat: (path, { signal }) =>
      around.call({ operation: "stat", path, signal, run: () => inner.stat(path, { signal }) }),
    read: async (path, options) => {
      const { signal } = options;
      const content = await around.call({ operation: "read", path, signal, run: () => inner.read(path, options) });
      return around.content?.(content, { inner, path, options }) ?? content;
    },
    write: (path, body, options) => {
      const count = countProgress(options);
      return around.call({
        operation: "write",
        path,
        signal: options.signal,
        run: () => inner.write(path, body, count.options),
        revertProgress: count.takeBack,
        confirmedResult: () => confirmWrite(inner, path, options),
      });
    },
    makeDir: (path, { signal }) =>
      around.call({ operation: "makeDir", path, signal, run: () => inner.makeDir(path, { signal }) }),
    remove: (entry, { signal }) =>
      around.call({ operation: "remove", path: entry.path, signal, run: () => inner.remove(entry, { signal }) }),
    ...decorateOptional(inner, around),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

type OptionalMethods = Pick<
  Backend,
  | "removeLink"
  | "rename"
  | "copy"
  | "hardLink"
  | "makeLink"
  | "setModified"
  | "setMode"
  | "flush"
  | "checksum"
  | "equalityProof"
  | "nanosecondsOf"
  | "withDiskPath"
  | "walk"
>;

function decorateOptional(inner: Backend, around: CallHandlers): OptionalMethods {
  const { call: one, walk: many } = around;
  const [rename, copy, makeLink] = [inner.rename?.bind(inner), inner.copy?.bind(inner), inner.makeLink?.bind(inner)];
  const [setModified, setMode] = [inner.setModified?.bind(inner), inner.setMode?.bind(inner)];
  const [hardLink, flush] = [inner.hardLink?.bind(inner), inner.flush?.bind(inner)];
  const [onDisk, caution] = [inner.withDiskPath?.bind(inner), inner.securityWarning?.bind(inner)];
  const [checksum, walk, proof] = [
    inner.checksum?.bind(inner),
    inner.walk?.bind(inner),
    inner.equalityProof?.bind(inner),
  ];
  const [removeLink, nanosecondsOf] = [inner.removeLink?.bind(inner), inner.nanosecondsOf?.bind(inner)];
  const methods: OptionalMethods = {
    ...(removeLink && {
      removeLink: (dir, { signal }) =>
        one({ operation: "removeLink", path: dir.path, signal, run: () => removeLink(dir, { signal }) }),
    }),
    ...(rename && {
      rename: (from, to, options) => {
        const { signal } = options;
        const settled = async () => {
          const [source, target] = [await inner.stat(from, { signal }), await inner.stat(to, { signal })];
          return source === undefined && differsFromBefore(target, options.expect) ? { value: undefined } : undefined;
        };
        return one<void>({
          operation: "rename",
          path: from,
          signal,
          run: () => rename(from, to, options),
          confirmedResult: settled,
        });
      },
    }),
    ...(copy && {
      copy: (from, to, options) => {
        const { signal } = options;
        const run = () => copy(from, to, options);
        return one<void>({
          operation: "copy",
          path: from,
          signal,
          run,
          confirmedResult: () => confirmCopy(inner, from, to, options),
        });
      },
    }),
    ...(hardLink && {
      hardLink: (from, to, options) => {
        const { signal } = options;
        const run = () => hardLink(from, to, options);
        return one<void>({
          operation: "hardLink",
          path: from,
          signal,
          run,
          confirmedResult: () => confirmCopy(inner, from, to, options),
        });
      },
    }),
    ...(makeLink && {
      makeLink: (path, target, options) => {
        const { signal } = options;
        const settled = async () => {
          const found = await inner.stat(path, { signal });
          return found?.kind === "link" && found.target === target ? { value: found } : undefined;
        };
        return one({
          operation: "makeLink",
          path,
          signal,
          run: () => makeLink(path, target, options),
          confirmedResult: settled,
        });
      },
    }),
    ...(setModified && {
      setModified: (path, modified, options) =>
        one({
          operation: "setModified",
          path,
          signal: options.signal,
          run: () => setModified(path, modified, options),
        }),
    }),
    ...(setMode && {
      setMode: (path, mode, { signal }) =>
        one({ operation: "setMode", path, signal, run: () => setMode(path, mode, { signal }) }),
    }),
    ...(flush && {
      flush: (dirs, { signal }) => one({ operation: "flush", path: "", signal, run: () => flush(dirs, { signal }) }),
    }),
    ...(checksum && {
      checksum: (entry, wanted, { signal }) =>
        one({ operation: "checksum", path: entry.path, signal, run: () => checksum(entry, wanted, { signal }) }),
    }),
    ...(proof && { equalityProof: proof }),
    ...(nanosecondsOf && { nanosecondsOf }),
    ...(onDisk && { withDiskPath: onDisk }),
    ...(caution && { securityWarning: caution }),
    ...(walk && {
      walk: (path, { signal }) => many({ operation: "walk", path, signal, run: () => walk(path, { signal }) }),
    }),
  };
  return methods;
}

/** Returns a result if `to` is now a copy of `from` (same size) that was not there before. */
async function confirmCopy(inner: Backend, from: RelPath, to: RelPath, { signal, expect }: CallOptions & Precondition) {
  const [source, target] = [await inner.stat(from, { signal }), await inner.stat(to, { signal })];
  const isCopy = source?.kind === "file" && target?.kind === "file" && source.size === target.size;
  return isCopy && differsFromBefore(target, expect) ? { value: undefined } : undefined;
}

/** Whether an entry exists that differs from the one before. */
function differsFromBefore(found: Entry | undefined, before: Entry | "absent" | undefined): boolean {
  return found !== undefined && (before === undefined || describeMismatch(before, found) !== undefined);
}

/** Returns the options with a counter of the reported progress, so that it can be reverted. */
function countProgress(options: WriteOptions): { readonly options: WriteOptions; takeBack(): void } {
  if (options.onBytes === undefined) return { options, takeBack: () => {} };
  let told = 0;
  const onBytes = (bytes: number) => {
    told += bytes;
    options.onBytes?.(bytes);
  };
  const takeBack = () => {
    if (told !== 0) options.onBytes?.(-told);
    told = 0;
  };
  return { options: { ...options, onBytes }, takeBack };
}

/** Returns the file if size and time show that it is the one to be written and not the one before. */
async function confirmWrite(inner: Backend, path: RelPath, options: WriteOptions) {
  const { signal, expect, modified, size } = options;
  const step = inner.traits.timeStep;
  if (expect === undefined || modified === undefined || step === undefined) return undefined;
  const found = await inner.stat(path, { signal });
  if (found?.kind !== "file" || found.size !== size || found.modified === undefined) return undefined;
  if (Math.abs(found.modified - modified) > Math.max(step, found.timeStep ?? 0)) return undefined;
  return differsFromBefore(found, expect) ? { value: found } : undefined;
}
