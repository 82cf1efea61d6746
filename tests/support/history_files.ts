import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { toRelPath } from "../../lib/core/path.ts";
import { openHistory, type PairHistory } from "../../lib/sync/history/file.ts";
import type { PairIdentity } from "../../lib/sync/history/pair_id.ts";
import type { BaseEntry, HistoryUpdate } from "../../lib/core/history.ts";

export const pair: PairIdentity = {
  machine: "m",
  local: "/here",
  server: "sftp://u@web1",
  remote: "/there",
  peer: "SHA256:a",
};
export const key = new Uint8Array(32).fill(7);
export const open = (folder: string, more: Partial<PairIdentity> = {}, readOnly = false) =>
  openHistory({ folder, pair: { ...pair, ...more }, key, readOnly });
export const known = (path: string, more: Partial<BaseEntry> = {}): BaseEntry => ({
  path: toRelPath(path),
  kind: "file",
  local: { size: 3, modified: 1_700_000_000_123.25, fileId: "1:2" },
  remote: { size: 3, modified: 1_700_000_000_000, revision: "r" },
  ...more,
});
export const recordUpdates = (...all: readonly BaseEntry[]): HistoryUpdate[] =>
  all.map((one) => ({ path: one.path, base: one }));
export const removalUpdate = (path: string): HistoryUpdate => ({ path: toRelPath(path), base: undefined });

/** Runs with a folder of its own. */
export async function withHistoryFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-history-" });
  try {
    await test(`${folder}/deep/history`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export async function saveUpdates(folder: string, lessons: readonly HistoryUpdate[]): Promise<void> {
  using history = await open(folder);
  await history.save(lessons, { local: { id: "i", modified: 5 } });
}

export async function fileOf(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) if (name.endsWith(".sqlite")) return `${folder}/${name}`;
  throw new Error("no history was written");
}

export function all({ history }: PairHistory): BaseEntry[] {
  return Array.from(history);
}

/** Makes a sealed history one of the version before seals, whose checksum needs no key. */
export function unsealHistory(file: string): void {
  const db = new DatabaseSync(file);
  db.exec(`UPDATE meta SET value = replace(value, '"format":2', '"format":1') WHERE key = 'head'`);
  const { value } = db.prepare("SELECT value FROM meta WHERE key = 'head'").get() ?? {};
  const sum = createHash("sha256").update(`${value}\n`);
  for (const { first, body } of db.prepare("SELECT first, body FROM blocks ORDER BY first").iterate()) {
    sum.update(`${first}\n${body}\n`);
  }
  db.prepare("UPDATE meta SET key = 'sum', value = ? WHERE key = 'seal'").run(sum.digest("hex"));
  db.close();
}
