import { toSyncError } from "../../core/errors.ts";
import { printable, type RelPath } from "../../core/path.ts";
import { tempPath } from "../../core/temp_name.ts";
import { type FileEntry, otherSide, type Side } from "../../core/entry.ts";
import type { Outcome } from "./action_log.ts";
import { bytesOf, type Crew, doAll, heldBecause, hold, performOne, sideBySide } from "./executor.ts";
import type { Phases, Swap, Takeover } from "./phases.ts";
import { toTag } from "../common/temp_tag.ts";
import { stagingPath } from "./transfer.ts";
import { expectSame } from "../common/entry_check.ts";

/** A file or link that made room for a folder and is kept under a temporary name until removals are allowed. */
export interface Aside {
  readonly side: Side;
  readonly path: RelPath;
  readonly from: RelPath;
}

/** A takeover that is still to be carried out; `staged` is its new content, under a temporary name. */
export interface Waiting extends Takeover {
  readonly staged?: FileEntry;
}

/**
 * Writes the content of files that will replace a folder under temporary names, if these can be renamed later. Returns
 * the takeovers that may continue; the others have failed.
 */
export async function stageAll(takeovers: readonly Takeover[], crew: Crew): Promise<readonly Waiting[]> {
  const waiting: Waiting[] = [];
  await sideBySide(takeovers, crew, {
    weight: ({ copy }) => bytesOf(copy),
    async work(takeover) {
      const { copy } = takeover;
      const path = stagingPath(copy, crew.sides, crew.options.owners[copy.to]);
      if (path === undefined) {
        waiting.push(takeover);
        return;
      }
      await crew.attempts.attempt(copy, async () => {
        const outcome = await performOne(copy, crew, { path });
        if (!("entry" in outcome) || outcome.entry?.kind !== "file") return outcome;
        waiting.push({ ...takeover, staged: outcome.entry });
        return { pending: true };
      });
    },
  });
  return waiting;
}

/** Renames the staged content to the path of folders that are empty now. */
export async function takeOverAll(waiting: readonly Waiting[], crew: Crew): Promise<void> {
  let begun = 0;
  await sideBySide(waiting, crew, {
    weight: ({ copy, staged }) => staged === undefined ? bytesOf(copy) : 0,
    async work(takeover) {
      begun++;
      const { copy, staged } = takeover;
      const done = await crew.attempts.attempt(copy, () => takeOver(takeover, crew), { pending: staged !== undefined });
      if (!done) await discard(takeover, crew);
    },
  });
  await giveBack(waiting.slice(begun), heldBecause(crew) ?? "the run ended", crew);
}

/** Reports takeovers as held, and removes their staged content. */
export async function giveBack(waiting: readonly Waiting[], why: string, crew: Crew): Promise<void> {
  hold(waiting.map(({ copy }) => copy), why, crew);
  for (const one of waiting) await discard(one, crew);
}

/** Moves files aside, creates the folders that replace them, and fills these; all of it is held while removals are. */
export async function swapAll(phases: Phases, crew: Crew): Promise<readonly Aside[]> {
  const asides: Aside[] = [];
  if (phases.swaps.length === 0) return asides;
  const why = heldBecause(crew);
  if (why !== undefined) {
    hold([...phases.swaps.map(({ dir }) => dir), ...phases.swapFolders.flat(), ...phases.swapContent], why, crew);
    return asides;
  }
  await sideBySide(phases.swaps, crew, {
    work: async (swap) => void await crew.attempts.attempt(swap.dir, () => swapOne(swap, asides, crew)),
  });
  for (const level of phases.swapFolders) await doAll(level, crew);
  await doAll(phases.swapContent, crew);
  return asides;
}

/** Removes the files that were moved aside, into the trash if there is one. */
export async function clearAsides(asides: readonly Aside[], crew: Crew): Promise<void> {
  await sideBySide(asides, crew, {
    work: async (aside) => {
      if (crew.options.trash === undefined) await removeOwn(aside, crew);
      else await trashAside(aside, crew);
    },
  });
}

async function trashAside(aside: Aside, crew: Crew): Promise<void> {
  const { side, path, from } = aside;
  const backend = crew.sides[side];
  try {
    const entry = await backend.stat(path, crew.attempts);
    if (entry?.kind !== "file" && entry?.kind !== "link") return;
    const loser = { side, entry, path: from, why: "overwritten", take: true, winner: otherSide(side) } as const;
    const kept = await crew.options.trash?.keep(loser, crew.attempts);
    if (kept?.moved === false) await backend.remove(entry, crew.attempts);
  } catch (error) {
    keepAside(aside, toSyncError(error, "keep").message, crew);
  }
}

/** Removes a temporary file of this pair. If it cannot be removed, a note is added and the next run removes it. */
export async function removeOwn({ side, path }: Pick<Aside, "side" | "path">, crew: Crew): Promise<void> {
  const backend = crew.sides[side];
  try {
    const entry = await backend.stat(path, crew.attempts);
    if (entry?.kind === "file" || entry?.kind === "link") await backend.remove(entry, crew.attempts);
  } catch (error) {
    const why = `the temporary file "${printable(path)}" is left to the next run: ${
      toSyncError(error, "remove").message
    }`;
    crew.emit({ type: "noted", note: { code: "leftover", path, side, why } });
  }
}

/** Reports where a file is that made room for a folder, and that it stays for now. */
export function keepAside({ side, path, from }: Aside, why: string, crew: Crew): void {
  const message = `what "${printable(from)}" was before it became a folder stays as "${printable(path)}": ${why}`;
  crew.emit({ type: "noted", note: { code: "aside", path: from, side, why: message } });
}

async function swapOne({ dir, replaces }: Swap, asides: Aside[], crew: Crew): Promise<Outcome> {
  const backend = crew.sides[dir.to];
  const call = crew.attempts;
  if (backend.rename === undefined) {
    const loser = { side: dir.to, entry: replaces, path: dir.path, why: "overwritten", take: true } as const;
    const kept = await crew.options.trash?.keep(loser, call);
    if (kept?.moved !== true) await backend.remove(replaces, call);
    return { entry: await backend.makeDir(dir.path, call) };
  }
  await expectSame(backend, replaces, call);
  const tag = toTag(crew.options.owners[dir.to], "aside", replaces);
  const path = tempPath(dir.path, tag, backend.traits.maxNameBytes);
  await backend.rename(dir.path, path, call);
  try {
    // Another program may have written to the file in between; the file moved aside is removed later on.
    if (backend.traits.atomicRename) await expectSame(backend, { ...replaces, path }, call);
    const entry = await backend.makeDir(dir.path, call);
    asides.push({ side: dir.to, path, from: dir.path });
    return { entry };
  } catch (error) {
    await backend.rename(path, dir.path, { signal: crew.options.signal, expect: "absent" }).catch(() => {
      keepAside({ side: dir.to, path, from: dir.path }, "it could not be put back", crew);
    });
    throw error;
  }
}

async function takeOver({ copy, replaces, staged }: Waiting, crew: Crew): Promise<Outcome> {
  const backend = crew.sides[copy.to];
  await backend.remove(replaces, crew.attempts);
  let outcome: Outcome | undefined;
  try {
    outcome = staged === undefined
      ? await performOne(copy, crew, { path: copy.path, expect: "absent" })
      : await putStaged(staged, copy, crew);
    return outcome;
  } finally {
    // The replacement failed: the folder is created again, as empty as it was.
    if (outcome === undefined || "vanished" in outcome) await backend.makeDir(copy.path, crew.attempts).catch(() => {});
  }
}

async function putStaged(
  staged: FileEntry,
  { to, path }: Waiting["copy"],
  { sides, attempts }: Crew,
): Promise<Outcome> {
  await sides[to].rename?.(staged.path, path, { signal: attempts.signal, expect: "absent" });
  return { entry: { ...staged, path } };
}

async function discard({ copy, staged }: Waiting, crew: Crew): Promise<void> {
  if (staged !== undefined) await removeOwn({ side: copy.to, path: staged.path }, crew);
}
