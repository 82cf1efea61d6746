import type { Cell, Contestant, Score } from "./contest.ts";
import type { Measured } from "./measure.ts";

/** The medians of every row as a Markdown table, then what went wrong. Ratios: ours ÷ another; below 1 is faster. */
export function formatTable(scores: readonly Score[], contestants: readonly Contestant[]): string {
  const present = contestants.filter(({ name }) => scores.some(({ runs }) => runs.has(name)));
  const named = present.filter(({ role }) => role === "named");
  const head = [
    "work",
    "RTT ms",
    ...present.map(({ name }) => name),
    "÷ best rival",
    "bar",
    ...named.map(({ name }) => `÷ ${name}`),
  ];
  const rows = scores.map(({ cell, runs }) => {
    const time = (name: string) => timeOf(runs.get(name));
    const ours = contestants.filter(({ role }) => role === "ours").map(({ name }) => time(name))[0];
    const rivals = contestants.filter(({ role, name }) => role === "rival" || cell.alsoRivals?.includes(name));
    const best = rivals.map(({ name }) => time(name)).reduce(faster, undefined);
    return [
      `${cell.work} ${cell.data}`,
      String(cell.rtt),
      ...present.map(({ name }) => formatRuns(runs.get(name))),
      formatRatio(ours, best),
      formatBar(cell, ours, best),
      ...named.map(({ name }) => formatRatio(ours, time(name))),
    ];
  });
  return [...align([head, ...rows]), ...troubles(scores)].join("\n");
}

/** Seconds of the median; `atLeast` where the run was cut off there. */
interface Time {
  readonly seconds: number;
  readonly atLeast: boolean;
}

function timeOf(runs: readonly Measured[] = []): Time | undefined {
  if (runs.some(({ how }) => how === "failed")) return undefined;
  const capped = runs.find(({ how }) => how === "capped");
  const ms = runs.flatMap((run) => run.how === "done" ? [run.ms] : []);
  if (capped?.how === "capped") return { seconds: capped.ms / 1000, atLeast: true };
  return ms.length === 0 ? undefined : { seconds: median(ms) / 1000, atLeast: false };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

function faster(a: Time | undefined, b: Time | undefined): Time | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.atLeast !== b.atLeast) return a.atLeast ? b : a;
  return a.seconds <= b.seconds ? a : b;
}

/** Seconds and peak memory: "2.21 s 180 MB". */
function formatRuns(runs: readonly Measured[] = []): string {
  if (runs.some(({ how }) => how === "failed")) return "failed";
  const time = timeOf(runs);
  if (time === undefined) return "–";
  const peaks = runs.flatMap((run) => run.how === "done" && run.peakBytes !== undefined ? [run.peakBytes] : []);
  const memory = peaks.length === 0 ? "" : ` ${Math.round(Math.max(...peaks) / 1e6)} MB`;
  return `${time.atLeast ? ">" : ""}${round(time.seconds)} s${memory}`;
}

function formatRatio(ours: Time | undefined, other: Time | undefined): string {
  if (ours === undefined || other === undefined || ours.atLeast && other.atLeast) return "–";
  return `${other.atLeast ? "<" : ours.atLeast ? ">" : ""}${round(ours.seconds / other.seconds)}`;
}

function formatBar({ bar }: Cell, ours: Time | undefined, best: Time | undefined): string {
  if (bar === undefined) return "–";
  if (ours === undefined || best === undefined) return `≤ ${bar}`;
  const ratio = ours.seconds / best.seconds;
  const met = !ours.atLeast && ratio <= bar;
  return `≤ ${bar} ${met ? "met" : best.atLeast ? "open" : "MISSED"}`;
}

/** Three digits that count. */
function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(value < 0.1 ? 2 : 3);
}

function align(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  return [lines[0] ?? "", `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...lines.slice(1)];
}

function troubles(scores: readonly Score[]): readonly string[] {
  return scores.flatMap(({ cell, runs }) =>
    [...runs].flatMap(([name, list]) =>
      list.flatMap((run) =>
        run.how === "failed" ? [`${name}, ${cell.work} ${cell.data} at ${cell.rtt} ms: ${run.why}`] : []
      )
    )
  );
}
