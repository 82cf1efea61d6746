import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";

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
