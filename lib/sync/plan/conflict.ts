import { nameOf, parentOf, type RelPath } from "../../core/path.ts";
import { type FileEntry, otherSide, type Side } from "../../core/entry.ts";
import { areTimesClose } from "../common/criteria.ts";
import type { PlanContext } from "./context.ts";
import { editTimes } from "./changes.ts";
import { nameProblem } from "./names.ts";
import type { Row, Rows } from "./rows.ts";

/** Two versions of one name, neither of which supersedes the other. */
export interface ConflictPair {
  readonly row: Row;
  readonly rows: Rows;
  readonly local: FileEntry;
  readonly remote: FileEntry;
  readonly why: string;
}

/** The maximum number of names tried for a conflict copy before the conflict is left open. */
const MAX_NAMES = 1000;

/**
 * Resolves a conflict by the policy. No version is lost: the discarded one is kept first. If it cannot be kept, or the
 * policy selects no winner, both versions are kept on both sides, the local one under another name.
 */
export function resolveConflict(context: PlanContext, contest: ConflictPair): void {
  if (context.options.conflict === "Skip") return leaveOpen(context, contest);
  const winner = pickWinner(context, contest);
  if (winner === undefined) return keepBoth(context, contest);
  const to = otherSide(winner);
  const loser = contest[to];
  const keep = context.options.keepDiscarded(loser.path, to);
  if (keep === undefined) return keepBoth(context, contest);
  const { builder } = context;
  const { local, remote, why } = contest;
  builder.conflicts.push({ path: local.path, local, remote, why, winner, backupPath: keep });
  builder.actions.push({
    do: "copy",
    to,
    path: loser.path,
    why: "conflict",
    source: contest[winner],
    replaces: loser,
    backupPath: keep,
  });
}

/** Leaves a conflict open in this run: nothing is changed, and history keeps its entries there and below. */
export function leaveOpen(context: PlanContext, { row, rows, why }: Omit<ConflictPair, Side>): void {
  rows.takeBelow(row.key);
  const path = row.local?.path ?? row.remote?.path;
  if (path !== undefined) context.builder.conflicts.push({ path, local: row.local, remote: row.remote, why });
}

/** Returns the side whose version wins by the policy; undefined if both are kept, and under Skip. */
export function pickWinner(
  context: PlanContext,
  { local, remote }: Pick<ConflictPair, "local" | "remote">,
): Side | undefined {
  const { conflict } = context.options;
  if (conflict === "Local") return "local";
  if (conflict === "Remote") return "remote";
  if (conflict === "Larger" || conflict === "Smaller") {
    if (local.size === remote.size) return undefined;
    return (local.size > remote.size) === (conflict === "Larger") ? "local" : "remote";
  }
  if (conflict !== "Newest" && conflict !== "Oldest") return undefined;
  // Two clocks may differ by this much.
  if (areTimesClose(local.modified, remote.modified)) return undefined;
  const verdict = editTimes(context, local, remote);
  if (verdict !== "localNewer" && verdict !== "remoteNewer") return undefined;
  return (verdict === "localNewer") === (conflict === "Newest") ? "local" : "remote";
}

/**
 * Keeps both versions. The remote version keeps the name. The local one is renamed to a free name (the first action)
 * and copied to the remote side from there.
 */
function keepBoth(context: PlanContext, contest: ConflictPair): void {
  const { row, rows, local, remote, why } = contest;
  const name = freeName(context, local.path);
  if (name === undefined) {
    return leaveOpen(context, { row, rows, why: `${why}, and no name is free for a second copy` });
  }
  const { builder } = context;
  builder.conflicts.push({ path: local.path, local, remote, why, winner: "both", backupPath: name });
  builder.copyNames.add(context.names.key(name));
  const loser = asKeptCopy(local, name);
  builder.actions.push({
    do: "copy",
    to: "local",
    path: local.path,
    why: "conflict",
    source: remote,
    replaces: local,
    backupPath: name,
  });
  const path = joinName(parentOf(remote.path), name);
  builder.actions.push({ do: "copy", to: "remote", path, why: "conflict", source: loser });
}

function freeName(context: PlanContext, path: RelPath): RelPath | undefined {
  const { names, builder, options, sides } = context;
  for (let attempt = 0; attempt < MAX_NAMES; attempt++) {
    const name = options.conflictName(path, attempt);
    if (names.isTaken(name) || builder.copyNames.has(names.key(name))) continue;
    if (nameProblem("local", name, sides) === undefined && nameProblem("remote", name, sides) === undefined) {
      return name;
    }
  }
  return undefined;
}

/** Returns the local version as it will be listed under its second name: another file, with another revision and id. */
function asKeptCopy(local: FileEntry, path: RelPath): FileEntry {
  const { revision: _revision, fileId: _fileId, changeTime: _changeTime, ...rest } = local;
  return { ...rest, path };
}

function joinName(dir: RelPath, path: RelPath): RelPath {
  return (dir === "" ? nameOf(path) : `${dir}/${nameOf(path)}`) as RelPath;
}
