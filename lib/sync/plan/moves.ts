import { type FileEntry, otherSide, type Side } from "../../core/entry.ts";
import { isReplaced, isSameTime, sameChecksum, stepOf } from "../common/criteria.ts";
import type { PlanContext } from "./context.ts";
import { hasFineTime } from "./doubt.ts";
import { changeSince, comparesTime, editTimes, isUnproven } from "./changes.ts";
import type { BaseEntry } from "../../core/history.ts";
import type { Action } from "../../core/plan.ts";

type Copy = Extract<Action, { readonly do: "copy" }>;
type Remove = Extract<Action, { readonly do: "remove" }>;

/**
 * Replaces a removal and a new file of the same side by a rename, if the content is proven the same: equal size and
 * checksum, or, on the side of the rename, the same file id, size and exact time that history holds for the old name.
 * Empty files are never renamed. If times are compared, a file whose time changed is not renamed either. Each removal
 * is used for one new file, in path order.
 */
export function replaceByMoves(context: PlanContext): readonly Action[] {
  const { actions } = context.builder;
  const removed = new Map<string, RemovedFile[]>();
  for (const action of actions) {
    if (action.do !== "remove" || action.target.kind !== "file") continue;
    const base = context.history?.get(action.target.path);
    for (const key of removedKeys(context, action, base)) {
      const same = removed.get(key);
      if (same === undefined) removed.set(key, [{ action, base }]);
      else same.push({ action, base });
    }
  }
  if (removed.size === 0) return actions;
  const replaced = new Map<Action, Action | undefined>();
  for (const action of actions) {
    if (action.do !== "copy" || action.why !== "new" || action.replaces !== undefined) continue;
    const match = findRemoved(context, action, { removed, replaced });
    if (match === undefined || match.target.kind !== "file") continue;
    replaced.set(match, undefined);
    replaced.set(action, { do: "move", to: action.to, path: action.path, why: "moved", source: match.target });
  }
  return actions.flatMap((action) => {
    if (!replaced.has(action)) return [action];
    const instead = replaced.get(action);
    return instead === undefined ? [] : [instead];
  });
}

interface RemovedFile {
  readonly action: Remove;
  readonly base: BaseEntry | undefined;
}

interface MoveSearch {
  readonly removed: ReadonlyMap<string, readonly RemovedFile[]>;
  readonly replaced: ReadonlyMap<Action, Action | undefined>;
}

function findRemoved(
  context: PlanContext,
  copy: Copy,
  { removed: gone, replaced: joined }: MoveSearch,
): Remove | undefined {
  const { source, to } = copy;
  if (source.kind !== "file" || source.size === 0) return undefined;
  const keys = [sumKey(to, source.checksum), idKey(to, source.fileId)];
  for (const key of keys) {
    for (const one of (key === undefined ? undefined : gone.get(key)) ?? []) {
      if (!joined.has(one.action) && isMovedFile(context, source, one)) return one.action;
    }
  }
  return undefined;
}

function removedKeys(context: PlanContext, { target, to }: Remove, base: BaseEntry | undefined): readonly string[] {
  if (target.kind !== "file") return [];
  const unchanged = base?.kind === "file" && isUnchanged(context, target, { side: to, base });
  const sum = sumKey(to, target.checksum ?? (unchanged ? base.checksum : undefined));
  const id = unchanged ? idKey(to, base[otherSide(to)]?.fileId) : undefined;
  return [sum, id].filter((key) => key !== undefined);
}

function isMovedFile(context: PlanContext, source: FileEntry, { action, base }: RemovedFile): boolean {
  const { target, to } = action;
  if (target.kind !== "file" || target.size !== source.size) return false;
  const [local, remote] = to === "local" ? [target, source] : [source, target];
  const times = comparesTime(context) ? editTimes(context, local, remote) : "same";
  if (times === "localNewer" || times === "remoteNewer") return false;
  if (sameChecksum(source.checksum, target.checksum ?? base?.checksum) !== undefined) {
    return sameChecksum(source.checksum, target.checksum ?? base?.checksum) === true;
  }
  const from = otherSide(to);
  const stamp = base?.[from];
  if (stamp === undefined || stamp.fileId === undefined || stamp.fileId !== source.fileId) return false;
  const step = stepOf(source, context.sides[from].traits);
  return stamp.size === source.size && stamp.modified !== undefined &&
    isSameTime(stamp.modified, source.modified, step);
}

function isUnchanged(
  context: PlanContext,
  target: FileEntry,
  { side, base }: { side: Side; base: BaseEntry },
): boolean {
  const found = changeSince(context, side, target, base);
  if (found !== "unsure") return found === "same" || found === "moved";
  const stamp = base[side];
  if (stamp !== undefined && isReplaced(target, stamp)) return false;
  return !isUnproven(base, side) || hasFineTime(context, side, target);
}

function sumKey(side: Side, checksum: string | undefined): string | undefined {
  return checksum === undefined ? undefined : `${side} sum ${checksum.toLowerCase()}`;
}

function idKey(side: Side, fileId: string | undefined): string | undefined {
  return fileId === undefined ? undefined : `${side} id ${fileId}`;
}
