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

/** Returns README's section: the servers of a protocol that came to the same share lines. */
export function renderSection(records: readonly RowRecord[]): string {
  const lines = protocols.flatMap((protocol) => {
    const results = Map.groupBy(
      records.filter((record) => record.protocol === protocol),
      ({ result, how }) => how === "" ? result : `${result}: ${how.replaceAll("|", "\\|")}`,
    );
    return Array.from(
      results,
      ([result, same]) => chunk(same.map(({ name }) => name)).map((names) => `| ${protocol} | ${names} | ${result} |`),
    ).flat();
  });
  return [
    heading,
    "",
    "`deno task servers --write` runs the same jobs over each of these and writes this table: 300 hard names up, again without and",
    "with history, and down; edits and deletions of both sides; removals; 60 MiB; `kill -9` amid an upload. No run hung or lost a",
    "file, and none left a half one where the result does not say so.",
    "",
    "| protocol | server | result |",
    "| --- | --- | --- |",
    ...lines,
    "",
    "",
  ].join("\n");
}

/** Joins names to lines that fit beside a result. */
function chunk(names: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + name.length < 70) lines.splice(-1, 1, `${last}; ${name}`);
    else lines.push(name);
  }
  return lines;
}

/** README with another section of servers. */
export function replaceSection(readme: string, section: string): string {
  const start = readme.indexOf(heading);
  if (start < 0) throw new Error(`README.md holds no line "${heading}"`);
  const end = readme.indexOf("\n## ", start + heading.length) + 1;
  return readme.slice(0, start) + section + readme.slice(end);
}

const heading = "## Servers";
