import type { Row } from "./row.ts";

/** The end of one job. */
export interface JobRecord {
  readonly protocol: string;
  readonly name: string;
  readonly job: string;
  readonly isRight: boolean;
  readonly message: string;
  readonly seconds: number;
}

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
export function parseRecords(text: string): readonly JobRecord[] {
  return text.split("\n").filter((line) => line !== "").map((line): JobRecord => JSON.parse(line));
}
