import { dirname, join } from "node:path";
import { appendOwn, assertOwn, flushFolder, ignoreNotFound, readOwnText } from "../../machine/own_files.ts";
import { type IndexFacts, type IndexPlace, itemLine, parseIndex } from "./index.ts";
import { withTrashPath } from "./trash_path.ts";

/**
 * Verifies the files of a pair under a trash folder, if there are any. Rejects with refused if another user could have
 * written them.
 */
export async function assertOwnTrash({ home, pair }: IndexPlace): Promise<void> {
  await assertOwn(home, "folder");
  await assertOwn(join(home, pair), "folder");
  await assertOwn(indexPath({ home, pair }), "file");
}

/**
 * Appends a line to an index, which is created if necessary. If a crash cut off the line before, it is terminated
 * first.
 */
export async function appendLine(place: IndexPlace, line: string): Promise<void> {
  const at = indexPath(place);
  await withTrashPath(
    { base: place.home, at },
    { make: true, what: `write "${at}"` },
    (path, lenient) => appendOwn(path, `\n${line}`, { allowedMode: lenient }),
  );
}

/** Reads one index. */
export async function readIndex(place: IndexPlace): Promise<IndexFacts> {
  return parseIndex(await readText(place) ?? "", place);
}

/** Rewrites an index if most of it is about removed items. No other process may write to it meanwhile. */
export async function compactIndex(place: IndexPlace): Promise<void> {
  const text = await readText(place) ?? "";
  const { items, refused } = parseIndex(text, place);
  const left = items.map(itemLine).join("");
  if (refused > 0 || text.length <= 2 * left.length + MANY_GONE) return;
  const at = indexPath(place);
  await withTrashPath({ base: place.home, at }, { make: false, what: `write "${at}"` }, async (path) => {
    const fresh = `${path}.new`;
    await Deno.remove(fresh).catch(ignoreNotFound);
    await writeWhole(fresh, new TextEncoder().encode(left));
    await Deno.rename(fresh, path);
    await flushFolder(dirname(path));
  });
}

/** Returns the indexes in a trash folder. */
export async function findIndexes(home: string): Promise<readonly IndexPlace[]> {
  const inside = { base: home, at: join(home, INDEX) };
  const names = await withTrashPath(
    inside,
    { make: false, what: `list "${home}"` },
    (path) => Array.fromAsync(Deno.readDir(dirname(path)), ({ name }) => name),
  );
  return (names ?? []).flatMap((name) => {
    const pair = /^([0-9a-z]+)\.jsonl$/.exec(name)?.[1];
    return pair === undefined ? [] : [{ home, pair }];
  });
}

const INDEX = ".jsonl";
/** The number of characters about removed items up to which an index is not rewritten. */
const MANY_GONE = 10_000;

function indexPath({ home, pair }: IndexPlace): string {
  return join(home, `${pair}${INDEX}`);
}

async function readText(place: IndexPlace): Promise<string | undefined> {
  const at = indexPath(place);
  return await withTrashPath(
    { base: place.home, at },
    { make: false, what: `read "${at}"` },
    (path, lenient) => readOwnText(path, { allowedMode: lenient }),
  );
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
}
