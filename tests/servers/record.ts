import recorded from "./recorded.json" with { type: "json" };
import { protocols, type Row } from "./row.ts";

/** The end of one job. */
export interface JobRecord {
  readonly protocol: string;
  readonly name: string;
  readonly job: string;
  readonly isRight: boolean;
  readonly message: string;
  readonly seconds: number;
}

/** What a whole run found about a row: as expected, or that it fails. */
export interface RowRecord {
  readonly protocol: string;
  readonly name: string;
  readonly result: string;
  /** What is less, the reason of a refusal, or the first failure; "" for a server that works. */
  readonly how: string;
}

/** The records that the repository holds. */
export const rowRecords: readonly RowRecord[] = recorded;

/** Appends a job's end to the file that TANDEM_SERVERS_RECORD names, as a line of JSON. */
export async function recordJob(
  { row, ...end }: { readonly row: Row } & Omit<JobRecord, "protocol" | "name">,
): Promise<void> {
  const file = Deno.env.get("TANDEM_SERVERS_RECORD");
  if (file === undefined || file === "") return;
  const record: JobRecord = { protocol: row.protocol, name: row.name, ...end };
  await Deno.writeTextFile(file, `${JSON.stringify(record)}\n`, { append: true });
}

/** Returns the records of a file's lines. */
export function parseJobRecords(text: string): readonly JobRecord[] {
  return text.split("\n").filter((line) => line !== "").map((line): JobRecord => JSON.parse(line));
}

/** Returns what a run's jobs say about a row; undefined if it was not run. */
export function summarizeRow({ protocol, name, expects }: Row, ends: readonly JobRecord[]): RowRecord | undefined {
  const mine = ends.filter((end) => end.protocol === protocol && end.name === name);
  if (mine.length === 0) return undefined;
  const failed = mine.find(({ isRight }) => !isRight);
  if (failed !== undefined) {
    return { protocol, name, result: "fails", how: `${failed.job}: ${failed.message.split("\n")[0]}` };
  }
  return { protocol, name, result: expects.kind, how: expects.kind === "works" ? "" : expects.how };
}

/** Returns README's section: one line for all servers of a protocol that work, and one for each other. */
export function renderSection(records: readonly RowRecord[]): string {
  const lines = protocols.flatMap((protocol) => {
    const mine = records.filter((record) => record.protocol === protocol);
    const working = mine.filter(({ result }) => result === "works").map(({ name }) => name);
    const others = mine.filter(({ result }) => result !== "works");
    return [
      ...(working.length === 0 ? [] : [`| ${protocol} | ${working.join("; ")} | works |`]),
      ...others.map(({ name, result, how }) => `| ${protocol} | ${name} | ${result}: ${how.replaceAll("|", "\\|")} |`),
    ];
  });
  return [
    heading,
    "",
    "`deno task servers --write` runs the same jobs over each of these and writes this table: 300 hard names up, again without and",
    "with history, and down; edits and deletions of both sides; removals; 60 MiB; `kill -9` amid an upload. No run of them hung, lost",
    "a file or left a half one.",
    "",
    "| protocol | server | result |",
    "| --- | --- | --- |",
    ...lines,
    "",
    "",
  ].join("\n");
}

/** README with another section of servers. */
export function replaceSection(readme: string, section: string): string {
  const start = readme.indexOf(heading);
  if (start < 0) throw new Error(`README.md holds no line "${heading}"`);
  const end = readme.indexOf("\n## ", start + heading.length) + 1;
  return readme.slice(0, start) + section + readme.slice(end);
}

const heading = "## Servers";
