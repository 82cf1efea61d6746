import { dirname, join } from "node:path";
import { absent, appendOwn, flushFolder, guardOwn, readOwnText } from "../../machine/own_files.ts";
import { type IndexFacts, type IndexPlace, itemLine, parseIndex } from "./index.ts";
import { reach } from "./reach.ts";

/** Judges what is kept of a pair under a trash folder, if anything is. Rejects with refused where another user could have written it. */
export async function guardTrash({ home, pair }: IndexPlace): Promise<void> {
  await guardOwn(home, "folder");
  await guardOwn(join(home, pair), "folder");
  await guardOwn(indexOf({ home, pair }), "file");
}

/** Appends a line to an index, which is made if need be. A line that a crash cut off before is ended first. */
export async function appendLine(place: IndexPlace, line: string): Promise<void> {
  const at = indexOf(place);
  await reach(
    { base: place.home, at },
    { make: true, what: `write "${at}"` },
    (path, lenient) => appendOwn(path, `\n${line}`, { lenient }),
  );
}

/** What one index says is kept. */
export async function readIndex(place: IndexPlace): Promise<IndexFacts> {
  return parseIndex(await readText(place) ?? "", place);
}

/** Writes an index anew where most of it says what is no more. No other process may write to it meanwhile. */
export async function tidyIndex(place: IndexPlace): Promise<void> {
  const text = await readText(place) ?? "";
  const { items, refused } = parseIndex(text, place);
  const left = items.map(itemLine).join("");
  if (refused > 0 || text.length <= 2 * left.length + MANY_GONE) return;
  const at = indexOf(place);
  await reach({ base: place.home, at }, { make: false, what: `write "${at}"` }, async (path) => {
    const fresh = `${path}.new`;
    await Deno.remove(fresh).catch(absent);
    await writeWhole(fresh, new TextEncoder().encode(left));
    await Deno.rename(fresh, path);
    await flushFolder(dirname(path));
  });
}

/** The indexes in a trash folder. */
export async function findIndexes(home: string): Promise<readonly IndexPlace[]> {
  const inside = { base: home, at: join(home, INDEX) };
  const names = await reach(
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
/** Characters about items that are no more, up to which an index is not written anew. */
const MANY_GONE = 10_000;

function indexOf({ home, pair }: IndexPlace): string {
  return join(home, `${pair}${INDEX}`);
}

async function readText(place: IndexPlace): Promise<string | undefined> {
  const at = indexOf(place);
  return await reach(
    { base: place.home, at },
    { make: false, what: `read "${at}"` },
    (path, lenient) => readOwnText(path, { lenient }),
  );
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
}
