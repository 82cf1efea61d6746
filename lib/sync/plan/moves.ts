import { type Action, type FileEntry, type Known, otherSide, type Side } from "../../core/entry.ts";
import { sameChecksum, sameStamp, stepOf } from "../common/criteria.ts";
import type { Context } from "./context.ts";
import { isFineOn } from "./doubt.ts";
import { comparesTime, editTimes, isProvisional, since } from "./changes.ts";

type Copy = Extract<Action, { readonly do: "copy" }>;
type Remove = Extract<Action, { readonly do: "remove" }>;

/**
 * Replaces a removal and a new file of the same side by a rename, if the content is proven the same: equal size and
 * checksum, or, on the side of the rename, the same file id, size and exact time that history holds for the old name.
 * Empty files are never renamed. If times are compared, a file whose time changed is not renamed either. Each removal
 * is used for one new file, in path order.
 */
export function joinMoves(context: Context): readonly Action[] {
  const { actions } = context.draft;
  const gone = new Map<string, Gone[]>();
  for (const action of actions) {
    if (action.do !== "remove" || action.target.kind !== "file") continue;
    const known = context.history?.get(action.target.path);
    for (const key of keysOfGone(context, action, known)) {
      const same = gone.get(key);
      if (same === undefined) gone.set(key, [{ action, known }]);
      else same.push({ action, known });
    }
  }
  if (gone.size === 0) return actions;
  const joined = new Map<Action, Action | undefined>();
  for (const action of actions) {
    if (action.do !== "copy" || action.why !== "new" || action.replaces !== undefined) continue;
    const match = findGone(context, action, { gone, joined });
    if (match === undefined || match.target.kind !== "file") continue;
    joined.set(match, undefined);
    joined.set(action, { do: "move", to: action.to, path: action.path, why: "moved", source: match.target });
  }
  return actions.flatMap((action) => {
    if (!joined.has(action)) return [action];
    const instead = joined.get(action);
    return instead === undefined ? [] : [instead];
  });
}

interface Gone {
  readonly action: Remove;
  readonly known: Known | undefined;
}

interface Search {
  readonly gone: ReadonlyMap<string, readonly Gone[]>;
  readonly joined: ReadonlyMap<Action, Action | undefined>;
}

function findGone(context: Context, copy: Copy, { gone, joined }: Search): Remove | undefined {
  const { source, to } = copy;
  if (source.kind !== "file" || source.size === 0) return undefined;
  const keys = [sumKey(to, source.checksum), idKey(to, source.fileId)];
  for (const key of keys) {
    for (const one of (key === undefined ? undefined : gone.get(key)) ?? []) {
      if (!joined.has(one.action) && isSameFile(context, source, one)) return one.action;
    }
  }
  return undefined;
}

function keysOfGone(context: Context, { target, to }: Remove, known: Known | undefined): readonly string[] {
  if (target.kind !== "file") return [];
  const unchanged = known?.kind === "file" && isUnchanged(context, target, { side: to, known });
  const sum = sumKey(to, target.checksum ?? (unchanged ? known.checksum : undefined));
  const id = unchanged ? idKey(to, known[otherSide(to)]?.fileId) : undefined;
  return [sum, id].filter((key) => key !== undefined);
}

function isSameFile(context: Context, source: FileEntry, { action, known }: Gone): boolean {
  const { target, to } = action;
  if (target.kind !== "file" || target.size !== source.size) return false;
  const [local, remote] = to === "local" ? [target, source] : [source, target];
  const times = comparesTime(context) ? editTimes(context, local, remote) : "same";
  if (times === "localNewer" || times === "remoteNewer") return false;
  if (sameChecksum(source.checksum, target.checksum ?? known?.checksum) !== undefined) {
    return sameChecksum(source.checksum, target.checksum ?? known?.checksum) === true;
  }
  const from = otherSide(to);
  const mark = known?.[from];
  if (mark === undefined || mark.fileId === undefined || mark.fileId !== source.fileId) return false;
  const step = stepOf(source, context.sides[from].traits);
  return mark.size === source.size && mark.modified !== undefined && sameStamp(mark.modified, source.modified, step);
}

function isUnchanged(context: Context, target: FileEntry, { side, known }: { side: Side; known: Known }): boolean {
  const found = since(context, side, target, known);
  if (found !== "unsure") return found === "same" || found === "moved";
  return !isProvisional(known, side) || isFineOn(context, side, target);
}

function sumKey(side: Side, checksum: string | undefined): string | undefined {
  return checksum === undefined ? undefined : `${side} sum ${checksum.toLowerCase()}`;
}

function idKey(side: Side, fileId: string | undefined): string | undefined {
  return fileId === undefined ? undefined : `${side} id ${fileId}`;
}
