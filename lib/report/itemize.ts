import type { SyncError } from "../core/errors.ts";
import { isInTrash } from "../core/temp_name.ts";
import { otherSide } from "../core/entry.ts";
import {
  type ConflictRecord,
  type FailureRecord,
  type ItemRecord,
  type MoveRecord,
  type RemovalRecord,
  sideName,
  type TransferRecord,
} from "./items.ts";
import {
  actionName,
  fileNameOf,
  isDirectory,
  kindName,
  lengthOf,
  refusalFileName,
  toFileRecord,
  toIso,
} from "./records.ts";
import type { Action, Conflict, Plan, Refusal, Run, SyncEvent, TrashedVersion } from "../core/plan.ts";

/**
 * Returns a function that returns the items which each event of a run, in order, adds to the result's lists. It stores
 * the conflicts of the plan, because one that a policy resolved is reported when the action that resolves it is done.
 * Under -WhatIf the plan yields all items.
 */
export function makeItemizer(run: Run): (event: SyncEvent) => readonly ItemRecord[] {
  let settled = new Map<string, Conflict>();
  const itemize = (action: Action, warnings: readonly string[], kept?: TrashedVersion) => {
    const done = doneItems(action, { run, warnings, kept });
    const conflict = action.why === "conflict" ? settled.get(actionKey(action)) : undefined;
    return conflict === undefined || !resolvesConflict(action)
      ? done
      : [...done, resolvedConflictRecord(conflict, { run, kept })];
  };
  return (event) => {
    switch (event.type) {
      case "planned":
        settled = new Map(event.plan.conflicts.flatMap(conflictKeys).map(({ key, conflict }) => [key, conflict]));
        return [
          ...(run.whatIf ? event.plan.actions.flatMap((action) => itemize(action, [])) : []),
          ...openItems(event.plan, run),
        ];
      case "done":
        return itemize(event.action, event.warnings ?? [], event.trashed);
      case "failed":
        return failedItems(event.action, { run, error: event.error });
      case "noted":
        return event.note.error === undefined ? [] : [toFailure(event.note.error)];
      case "scanned":
      case "started":
      case "progress":
      case "held":
        return [];
      default:
        return event satisfies never;
    }
  };
}

/** Returns the failure record of an error that ended the run. */
export function toFailure(error: SyncError): FailureRecord {
  return toFailureRecord(kindName(error.kind), error.message, { Path: error.facts.path ?? null });
}

interface ItemContext {
  readonly run: Run;
  readonly warnings: readonly string[];
  readonly kept: TrashedVersion | undefined;
}

function doneItems(action: Action, about: ItemContext): readonly ItemRecord[] {
  const { run, kept } = about;
  switch (action.do) {
    case "copy":
      return [toTransferRecord(action, about)];
    case "remove":
      return action.target.kind === "dir" ? [] : [toRemovalRecord(action, { run, target: action.target, kept })];
    case "makeDir":
      return action.replaces === undefined || action.replaces.kind === "dir"
        ? []
        : [toRemovalRecord(action, { run, target: action.replaces, kept })];
    case "move":
      return [toMoveRecord(action, run)];
    case "touch":
      return [];
    default:
      return action satisfies never;
  }
}

function failedItems(action: Action, about: { readonly run: Run; readonly error: SyncError }): readonly ItemRecord[] {
  const { run, error } = about;
  const source = action.do === "copy" ? action.source : undefined;
  const at = fileNameOf(run, action.to, action.path);
  const from = otherSide(action.to);
  const failed = toFailureRecord(kindName(error.kind), error.message, {
    Path: action.path,
    FileName: source === undefined ? at : fileNameOf(run, from, source.path),
    Destination: source === undefined ? null : at,
    Length: lengthOf(source ?? ("target" in action ? action.target : undefined)),
    Side: sideName(source === undefined ? action.to : from),
    Action: actionName(action),
  });
  return error.kind === "changed" && !isDirectory(action)
    ? [failed, interruptedRecord(action, { run, message: error.message })]
    : [failed];
}

/** Returns the conflict record of a path that changed during the run: no side won, nothing was overwritten. */
function interruptedRecord(action: Action, about: { readonly run: Run; readonly message: string }): ConflictRecord {
  const { run, message } = about;
  const target = "target" in action ? action.target : "replaces" in action ? action.replaces : undefined;
  const source = action.do === "copy" ? action.source : undefined;
  const [local, remote] = action.to === "local" ? [target, source] : [source, target];
  return toConflictRecord({ path: action.path, local, remote, why: message }, run);
}

function toTransferRecord(
  action: Action & { readonly do: "copy" },
  about: ItemContext,
): TransferRecord {
  const { run, warnings } = about;
  const destination = fileNameOf(run, action.to, action.path);
  const modified = action.source.kind === "file" ? action.source.modified : undefined;
  const touch = { FileName: destination, LastWriteTime: toIso(modified), Error: warnings.join("; ") || null };
  return {
    Type: action.to === "remote" ? "Upload" : "Download",
    Action: actionName(action),
    FileName: fileNameOf(run, otherSide(action.to), action.source.path),
    Destination: destination,
    Length: lengthOf(action.source),
    Side: sideName(otherSide(action.to)),
    Touch: modified === undefined && warnings.length === 0 ? null : touch,
    IsRestored: action.why === "restored",
    Error: null,
  };
}

function toRemovalRecord(
  action: Action,
  about: Pick<ItemContext, "run" | "kept"> & { readonly target: Parameters<typeof lengthOf>[0] & object },
): RemovalRecord {
  const { run, target, kept } = about;
  return {
    Type: "Removal",
    Action: action.to === "remote" ? "DeleteRemote" : "DeleteLocal",
    FileName: fileNameOf(run, action.to, target.path),
    Length: lengthOf(target),
    Side: sideName(action.to),
    Kept: kept?.path ?? null,
    Error: null,
  };
}

function toMoveRecord(action: Action & { readonly do: "move" }, run: Run): MoveRecord {
  return {
    Type: "Move",
    Action: actionName(action),
    FileName: fileNameOf(run, action.to, action.source.path),
    Destination: fileNameOf(run, action.to, action.path),
    Length: lengthOf(action.source),
    Side: sideName(action.to),
    Error: null,
  };
}

/** Returns the open items of the plan: unresolved conflicts, and paths that are not handled. */
function openItems(plan: Plan, run: Run): readonly ItemRecord[] {
  const open = plan.conflicts.filter((conflict) => conflict.winner === undefined);
  return [
    ...open.flatMap((conflict) => {
      const record = toConflictRecord(conflict, run);
      const fileName = record.Local?.FileName ?? record.Remote?.FileName ?? null;
      return [record, toFailureRecord("Conflict", conflict.why, { Path: conflict.path, FileName: fileName })];
    }),
    ...plan.refusals.map((refusal) => refusalRecord(refusal, run)),
  ];
}

/**
 * Returns the record of a resolved conflict. `kept`: the path of the discarded version in the trash, if it is there;
 * under -WhatIf it is not known yet.
 */
function resolvedConflictRecord(conflict: Conflict, { run, kept }: Pick<ItemContext, "run" | "kept">): ConflictRecord {
  const { winner } = conflict;
  const loser = winner === "remote" || winner === "both" ? "local" : "remote";
  const second = conflict.backupPath === undefined || isInTrash(conflict.backupPath)
    ? undefined
    : fileNameOf(run, loser, conflict.backupPath);
  const keptAt = kept?.path ?? second ?? null;
  const outcome = winner === "both" ? "both versions are kept" : `the ${winner} version won`;
  const restoring = kept === undefined ? "" : `; Restore-TrashItem ${kept.id} brings it back`;
  const where = keptAt === null ? "" : `, the ${loser} one is now "${keptAt}"${restoring}`;
  return { ...toConflictRecord(conflict, run), Message: `${conflict.why}: ${outcome}${where}`, Kept: keptAt };
}

function toConflictRecord(conflict: Conflict, run: Run): ConflictRecord {
  const { path, local, remote, why, winner } = conflict;
  return {
    Type: "Conflict",
    Path: path,
    Message: why,
    Local: toFileRecord(local, "local", run),
    Remote: toFileRecord(remote, "remote", run),
    Winner: winner === undefined ? null : winner === "both" ? "Both" : sideName(winner),
    Loser: winner === undefined || winner === "both" ? null : sideName(otherSide(winner)),
    Kept: null,
  };
}

/** Whether the action resolves a conflict: the one that overwrites the discarded version. */
function resolvesConflict(action: Action): boolean {
  return action.do === "copy" && action.replaces !== undefined;
}

function actionKey(action: Action): string {
  return `${action.to} ${action.path}`;
}

function conflictKeys(conflict: Conflict): { readonly key: string; readonly conflict: Conflict }[] {
  const { local, remote, path, winner } = conflict;
  if (winner === undefined) return [];
  return [
    { key: `local ${local?.path ?? path}`, conflict },
    { key: `remote ${remote?.path ?? path}`, conflict },
  ];
}

function refusalRecord(refusal: Refusal, run: Run): FailureRecord {
  return toFailureRecord(kindName(refusal.kind), refusal.why, {
    Path: refusal.path,
    FileName: refusalFileName(refusal, run),
    Side: refusal.side === undefined ? null : sideName(refusal.side),
  });
}

function toFailureRecord(
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
