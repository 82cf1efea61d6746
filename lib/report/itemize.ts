import type { SyncError } from "../core/errors.ts";
import { isInTrash } from "../core/temp_name.ts";
import {
  type Action,
  type Conflict,
  type InTrash,
  otherSide,
  type Plan,
  type Refusal,
  type Run,
  type SyncEvent,
} from "../core/entry.ts";
import {
  type ConflictRecord,
  type FailureRecord,
  type ItemRecord,
  type MoveRecord,
  nameSide,
  type RemovalRecord,
  type TransferRecord,
} from "./items.ts";
import {
  isDirectory,
  lengthOf,
  nameAction,
  nameKind,
  placeOf,
  placeOfRefusal,
  toFileRecord,
  toIso,
} from "./records.ts";

/**
 * Returns a function that returns the items which each event of a run, in order, adds to the result's lists. It stores
 * the conflicts of the plan, because one that a policy resolved is reported when the action that resolves it is done.
 * Under -WhatIf the plan yields all items.
 */
export function itemizer(run: Run): (event: SyncEvent) => readonly ItemRecord[] {
  let settled = new Map<string, Conflict>();
  const itemize = (action: Action, warnings: readonly string[], kept?: InTrash) => {
    const done = doneItems(action, { run, warnings, kept });
    const conflict = action.why === "conflict" ? settled.get(keyOf(action)) : undefined;
    return conflict === undefined || !isSettling(action) ? done : [...done, settledItem(conflict, { run, kept })];
  };
  return (event) => {
    switch (event.type) {
      case "planned":
        settled = new Map(event.plan.conflicts.flatMap(keysOf).map(({ key, conflict }) => [key, conflict]));
        return [
          ...(run.whatIf ? event.plan.actions.flatMap((action) => itemize(action, [])) : []),
          ...openItems(event.plan, run),
        ];
      case "done":
        return itemize(event.action, event.warnings ?? [], event.kept);
      case "failed":
        return failedItems(event.action, { run, error: event.error });
      case "scanned":
      case "started":
      case "progress":
      case "held":
      case "noted":
        return [];
      default:
        return event satisfies never;
    }
  };
}

/** Returns the failure record of an error that ended the run. */
export function toFailure(error: SyncError): FailureRecord {
  return failure(nameKind(error.kind), error.message, { Path: error.facts.path ?? null });
}

interface About {
  readonly run: Run;
  readonly warnings: readonly string[];
  readonly kept: InTrash | undefined;
}

function doneItems(action: Action, about: About): readonly ItemRecord[] {
  const { run, kept } = about;
  switch (action.do) {
    case "copy":
      return [transfer(action, about)];
    case "remove":
      return action.target.kind === "dir" ? [] : [removal(action, { run, target: action.target, kept })];
    case "makeDir":
      return action.replaces === undefined || action.replaces.kind === "dir"
        ? []
        : [removal(action, { run, target: action.replaces, kept })];
    case "move":
      return [move(action, run)];
    case "touch":
      return [];
    default:
      return action satisfies never;
  }
}

function failedItems(action: Action, about: { readonly run: Run; readonly error: SyncError }): readonly ItemRecord[] {
  const { run, error } = about;
  const source = action.do === "copy" ? action.source : undefined;
  const at = placeOf(run, action.to, action.path);
  const from = otherSide(action.to);
  const failed = failure(nameKind(error.kind), error.message, {
    Path: action.path,
    FileName: source === undefined ? at : placeOf(run, from, source.path),
    Destination: source === undefined ? null : at,
    Length: lengthOf(source ?? ("target" in action ? action.target : undefined)),
    Side: nameSide(source === undefined ? action.to : from),
    Action: nameAction(action),
  });
  return error.kind === "changed" && !isDirectory(action)
    ? [failed, interrupted(action, { run, message: error.message })]
    : [failed];
}

/** Returns the conflict record of a path that changed during the run: no side won, nothing was overwritten. */
function interrupted(action: Action, about: { readonly run: Run; readonly message: string }): ConflictRecord {
  const { run, message } = about;
  const target = "target" in action ? action.target : "replaces" in action ? action.replaces : undefined;
  const source = action.do === "copy" ? action.source : undefined;
  const [local, remote] = action.to === "local" ? [target, source] : [source, target];
  return conflictRecord({ path: action.path, local, remote, why: message }, run);
}

function transfer(
  action: Action & { readonly do: "copy" },
  about: About,
): TransferRecord {
  const { run, warnings } = about;
  const destination = placeOf(run, action.to, action.path);
  const modified = action.source.kind === "file" ? action.source.modified : undefined;
  const touch = { FileName: destination, LastWriteTime: toIso(modified), Error: warnings.join(" ") || null };
  return {
    Type: action.to === "remote" ? "Upload" : "Download",
    Action: nameAction(action),
    FileName: placeOf(run, otherSide(action.to), action.source.path),
    Destination: destination,
    Length: lengthOf(action.source),
    Side: nameSide(otherSide(action.to)),
    Touch: modified === undefined && warnings.length === 0 ? null : touch,
    IsRestored: action.why === "restored",
    Error: null,
  };
}

function removal(
  action: Action,
  about: Pick<About, "run" | "kept"> & { readonly target: Parameters<typeof lengthOf>[0] & object },
): RemovalRecord {
  const { run, target, kept } = about;
  return {
    Type: "Removal",
    Action: action.to === "remote" ? "DeleteRemote" : "DeleteLocal",
    FileName: placeOf(run, action.to, target.path),
    Length: lengthOf(target),
    Side: nameSide(action.to),
    Kept: kept?.at ?? null,
    Error: null,
  };
}

function move(action: Action & { readonly do: "move" }, run: Run): MoveRecord {
  return {
    Type: "Move",
    Action: nameAction(action),
    FileName: placeOf(run, action.to, action.source.path),
    Destination: placeOf(run, action.to, action.path),
    Length: lengthOf(action.source),
    Side: nameSide(action.to),
    Error: null,
  };
}

/** Returns the open items of the plan: unresolved conflicts, and paths that are not handled. */
function openItems(plan: Plan, run: Run): readonly ItemRecord[] {
  const open = plan.conflicts.filter((conflict) => conflict.winner === undefined);
  return [
    ...open.flatMap((conflict) => {
      const record = conflictRecord(conflict, run);
      const fileName = record.Local?.FileName ?? record.Remote?.FileName ?? null;
      return [record, failure("Conflict", conflict.why, { Path: conflict.path, FileName: fileName })];
    }),
    ...plan.refusals.map((refusal) => refusalItem(refusal, run)),
  ];
}

/**
 * Returns the record of a resolved conflict. `kept`: the path of the discarded version in the trash, if it is there;
 * under -WhatIf it is not known yet.
 */
function settledItem(conflict: Conflict, { run, kept }: Pick<About, "run" | "kept">): ConflictRecord {
  const { winner } = conflict;
  const loser = winner === "remote" || winner === "both" ? "local" : "remote";
  const second = conflict.kept === undefined || isInTrash(conflict.kept)
    ? undefined
    : placeOf(run, loser, conflict.kept);
  const keptAt = kept?.at ?? second ?? null;
  const outcome = winner === "both" ? "both versions are kept" : `the ${winner} version won`;
  const restoring = kept === undefined ? "" : `; Restore-TrashItem ${kept.id} brings it back`;
  const where = keptAt === null ? "" : `, the ${loser} one is now "${keptAt}"${restoring}`;
  return { ...conflictRecord(conflict, run), Message: `${conflict.why}: ${outcome}${where}`, Kept: keptAt };
}

function conflictRecord(conflict: Conflict, run: Run): ConflictRecord {
  const { path, local, remote, why, winner } = conflict;
  return {
    Type: "Conflict",
    Path: path,
    Message: why,
    Local: toFileRecord(local, "local", run),
    Remote: toFileRecord(remote, "remote", run),
    Winner: winner === undefined ? null : winner === "both" ? "Both" : nameSide(winner),
    Loser: winner === undefined || winner === "both" ? null : nameSide(otherSide(winner)),
    Kept: null,
  };
}

/** Whether the action resolves a conflict: the one that overwrites the discarded version. */
function isSettling(action: Action): boolean {
  return action.do === "copy" && action.replaces !== undefined;
}

function keyOf(action: Action): string {
  return `${action.to} ${action.path}`;
}

function keysOf(conflict: Conflict): { readonly key: string; readonly conflict: Conflict }[] {
  const { local, remote, path, winner } = conflict;
  if (winner === undefined) return [];
  return [
    { key: `local ${local?.path ?? path}`, conflict },
    { key: `remote ${remote?.path ?? path}`, conflict },
  ];
}

function refusalItem(refusal: Refusal, run: Run): FailureRecord {
  return failure(nameKind(refusal.kind), refusal.why, {
    Path: refusal.path,
    FileName: placeOfRefusal(refusal, run),
    Side: refusal.side === undefined ? null : nameSide(refusal.side),
  });
}

function failure(
  kind: string,
  message: string,
  about: Partial<FailureRecord>,
): FailureRecord {
  return {
    Type: "Failure",
    Kind: kind,
    Message: message,
    Path: null,
    FileName: null,
    Destination: null,
    Length: null,
    Side: null,
    Action: null,
    Error: message,
    ...about,
  };
}
