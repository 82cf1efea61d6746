import { toSyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import { type FileEntry, otherSide, type Side } from "../../core/entry.ts";
import type { Outcome } from "./action_log.ts";
import {
  type ApplyContext,
  bytesInFlight,
  findHoldReason,
  reportHeld,
  runActions,
  runInContext,
  runLimited,
} from "./executor.ts";
import type { DirToFile, FileToDir, Phases } from "./phases.ts";
import { toTempTag } from "../common/temp_tag.ts";
import { stagingPath } from "./transfer.ts";
import { assertUnchanged } from "../common/entry_check.ts";

/** A file or link that made room for a folder and is kept under a temporary name until removals are allowed. */
export interface AsideFile {
  readonly side: Side;
  readonly path: RelPath;
  readonly from: RelPath;
}

/** A replacement of a folder that is still to be carried out; `staged`: the new content under a temporary name. */
export interface StagedDirToFile extends DirToFile {
  readonly staged?: FileEntry;
}

/**
 * Writes the content of files that will replace a folder under temporary names, if these can be renamed later. Returns
 * the replacements that may continue; the others have failed.
 */
export async function stageFiles(
  takeovers: readonly DirToFile[],
  context: ApplyContext,
): Promise<readonly StagedDirToFile[]> {
  const waiting: StagedDirToFile[] = [];
  await runLimited(takeovers, context, {
    weight: ({ copy }) => bytesInFlight(copy),
    async work(takeover) {
      const { copy } = takeover;
      const path = stagingPath(copy, context.sides, context.options.owners[copy.to]);
      if (path === undefined) {
        waiting.push(takeover);
        return;
      }
      await context.actionLog.run(copy, async () => {
        const outcome = await runInContext(copy, context, { path });
        if (!("entry" in outcome) || outcome.entry?.kind !== "file") return outcome;
        waiting.push({ ...takeover, staged: outcome.entry });
        return { pending: true };
      });
    },
  });
  return waiting;
}

/** Renames the staged content to the path of folders that are empty now. */
export async function replaceDirs(waiting: readonly StagedDirToFile[], context: ApplyContext): Promise<void> {
  let begun = 0;
  await runLimited(waiting, context, {
    weight: ({ copy, staged }) => staged === undefined ? bytesInFlight(copy) : 0,
    async work(takeover) {
      begun++;
      const { copy, staged } = takeover;
      const done = await context.actionLog.run(copy, () => replaceDir(takeover, context), {
        pending: staged !== undefined,
      });
      if (!done) await removeStaged(takeover, context);
    },
  });
  await holdStaged(waiting.slice(begun), findHoldReason(context) ?? "the run ended", context);
}

/** Reports replacements of folders as held, and removes their staged content. */
export async function holdStaged(
  waiting: readonly StagedDirToFile[],
  why: string,
  context: ApplyContext,
): Promise<void> {
  reportHeld(waiting.map(({ copy }) => copy), why, context);
  for (const one of waiting) await removeStaged(one, context);
}

/** Moves files aside, creates the folders that replace them, and fills these; all of it is held while removals are. */
export async function replaceFiles(phases: Phases, context: ApplyContext): Promise<readonly AsideFile[]> {
  const asides: AsideFile[] = [];
  if (phases.filesToDirs.length === 0) return asides;
  const why = findHoldReason(context);
  if (why !== undefined) {
    reportHeld(
      [...phases.filesToDirs.map(({ dir }) => dir), ...phases.newDirFolders.flat(), ...phases.newDirContent],
      why,
      context,
    );
    return asides;
  }
  await runLimited(phases.filesToDirs, context, {
    work: async (swap) => void await context.actionLog.run(swap.dir, () => replaceFile(swap, asides, context)),
  });
  for (const level of phases.newDirFolders) await runActions(level, context);
  await runActions(phases.newDirContent, context);
  return asides;
}

/** Removes the files that were moved aside, into the trash if there is one. */
export async function removeAsides(asides: readonly AsideFile[], context: ApplyContext): Promise<void> {
  await runLimited(asides, context, {
    work: async (aside) => {
      if (context.options.trash === undefined) await removeTempFile(aside, context);
      else await trashAsideFile(aside, context);
    },
  });
}

async function trashAsideFile(aside: AsideFile, context: ApplyContext): Promise<void> {
  const { side, path, from } = aside;
  const backend = context.sides[side];
  try {
    const entry = await backend.stat(path, context.actionLog);
    if (entry?.kind !== "file" && entry?.kind !== "link") return;
    const loser = { side, entry, path: from, why: "overwritten", take: true, winner: otherSide(side) } as const;
    const kept = await context.options.trash?.keep(loser, context.actionLog);
    if (kept?.moved === false) await backend.remove(entry, context.actionLog);
  } catch (error) {
    noteAside(aside, toSyncError(error, "keep").message, context);
  }
}

/** Removes a temporary file of this pair. If it cannot be removed, a note is added and the next run removes it. */
export async function removeTempFile(
  { side, path }: Pick<AsideFile, "side" | "path">,
  context: ApplyContext,
): Promise<void> {
  const backend = context.sides[side];
  try {
    const entry = await backend.stat(path, context.actionLog);
    if (entry?.kind === "file" || entry?.kind === "link") await backend.remove(entry, context.actionLog);
  } catch (error) {
    const why = `the temporary file "${escapeForDisplay(path)}" is left to the next run: ${
      toSyncError(error, "remove").message
    }`;
    context.emit({ type: "noted", note: { code: "leftover", path, side, why } });
  }
}

/** Reports where a file is that made room for a folder, and that it stays for now. */
export function noteAside({ side, path, from }: AsideFile, why: string, context: ApplyContext): void {
  const message = `the file "${escapeForDisplay(from)}", which became a folder, is kept as "${
    escapeForDisplay(path)
  }": ${why}`;
  context.emit({ type: "noted", note: { code: "aside", path: from, side, why: message } });
}

async function replaceFile({ dir, replaces }: FileToDir, asides: AsideFile[], context: ApplyContext): Promise<Outcome> {
  const backend = context.sides[dir.to];
  const call = context.actionLog;
  if (backend.rename === undefined) {
    const loser = { side: dir.to, entry: replaces, path: dir.path, why: "overwritten", take: true } as const;
    const kept = await context.options.trash?.keep(loser, call);
    if (kept?.moved !== true) await backend.remove(replaces, call);
    return { entry: await backend.makeDir(dir.path, call) };
  }
  await assertUnchanged(backend, replaces, call);
  const tag = toTempTag(context.options.owners[dir.to], "aside", replaces);
  const path = tempPath(dir.path, tag, backend.traits.maxNameBytes);
  await backend.rename(dir.path, path, call);
  try {
    // Another program may have written to the file in between; the file moved aside is removed later on.
    if (backend.traits.atomicRename) await assertUnchanged(backend, { ...replaces, path }, call);
    const entry = await backend.makeDir(dir.path, call);
    asides.push({ side: dir.to, path, from: dir.path });
    return { entry };
  } catch (error) {
    await backend.rename(path, dir.path, { signal: context.options.signal, expect: "absent" }).catch(() => {
      noteAside({ side: dir.to, path, from: dir.path }, "it could not be put back", context);
    });
    throw error;
  }
}

async function replaceDir({ copy, replaces, staged }: StagedDirToFile, context: ApplyContext): Promise<Outcome> {
  const backend = context.sides[copy.to];
  await backend.remove(replaces, context.actionLog);
  let outcome: Outcome | undefined;
  try {
    outcome = staged === undefined
      ? await runInContext(copy, context, { path: copy.path, expect: "absent" })
      : await renameStaged(staged, copy, context);
    return outcome;
  } finally {
    // The replacement failed: the folder is created again, as empty as it was.
    if (outcome === undefined || "vanished" in outcome) {
      await backend.makeDir(copy.path, context.actionLog).catch(() => {});
    }
  }
}

async function renameStaged(
  staged: FileEntry,
  { to, path }: StagedDirToFile["copy"],
  { sides, actionLog }: ApplyContext,
): Promise<Outcome> {
  await sides[to].rename?.(staged.path, path, { signal: actionLog.signal, expect: "absent" });
  return { entry: { ...staged, path } };
}

async function removeStaged({ copy, staged }: StagedDirToFile, context: ApplyContext): Promise<void> {
  if (staged !== undefined) await removeTempFile({ side: copy.to, path: staged.path }, context);
}
