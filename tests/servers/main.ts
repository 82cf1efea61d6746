/**
 * The table of servers on demand: `deno task servers`, `deno task servers --write vsftpd` (rows whose name holds the word). Runs the
 * jobs, says what each row came to, and with --write records it and writes README's table.
 */
import { fileURLToPath } from "node:url";
import { parseJobRecords, renderSection, replaceSection, type RowRecord, rowRecords, summarizeRow } from "./record.ts";
import { rows } from "./rows.ts";

const root = new URL("../../", import.meta.url);

Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  const words = args.filter((arg) => arg !== "--write");
  const file = await Deno.makeTempFile({ prefix: "tandem-servers-", suffix: ".jsonl" });
  try {
    const code = await runTests(words, file);
    const ends = parseJobRecords(await Deno.readTextFile(file));
    const now = rows.flatMap((row): readonly RowRecord[] => {
      const ran = summarizeRow(row, ends);
      const known = rowRecords.find(({ protocol, name }) => protocol === row.protocol && name === row.name);
      if (ran !== undefined) say(`${ran.protocol} ${ran.name}: ${ran.result}${ran.how === "" ? "" : `, ${ran.how}`}`);
      const record = ran ?? known;
      return record === undefined ? [] : [record];
    });
    if (args.includes("--write")) await write(now);
    return code;
  } finally {
    await Deno.remove(file);
  }
}

async function runTests(words: readonly string[], record: string): Promise<number> {
  const filter = words.length === 0 ? [] : [`--filter=/(?i)${words.map((word) => RegExp.escape(word)).join("|")}/`];
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-A", "tests/support/run_tests.ts", "servers", ...filter],
    cwd: root,
    env: { TANDEM_SERVERS_RECORD: record },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  return code;
}

async function write(records: readonly RowRecord[]): Promise<void> {
  const [readme, kept] = [new URL("README.md", root), new URL("recorded.json", import.meta.url)];
  await Deno.writeTextFile(kept, JSON.stringify(records, undefined, 2));
  await Deno.writeTextFile(readme, replaceSection(await Deno.readTextFile(readme), renderSection(records)));
  const args = ["fmt", "-q", fileURLToPath(readme), fileURLToPath(kept)];
  await new Deno.Command(Deno.execPath(), { args, cwd: root }).output();
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
