import type { SyncResult } from "./result.ts";
import { formatBytes, formatCount, formatDuration, plural } from "./text.ts";
import type { Plan } from "../core/plan.ts";

/**
 * Returns one sentence about a run: "3 files uploaded (12.4 MB), 1 removed, 2 failed, in 4.2 s". Undefined if nothing
 * was done and nothing failed.
 */
export function summarize(result: SyncResult): string | undefined {
  const parts = [...transfers(result), ...others(result)];
  if (parts.length === 0) return undefined;
  const kept = result.HeldRemovals === 0 ? "" : ` (${result.HeldReasons.slice(0, 2).join("; ")})`;
  if (result.IsWhatIf) return `What if: ${parts.join(", ")}${kept}, nothing was changed`;
  return `${parts.join(", ")}${kept}, in ${formatDuration(result.Duration)}`;
}

/** Returns a summary of a plan for a question: "3 files to upload (12.4 MB), 1 to remove". */
export function describePlan(plan: Plan): string {
  const copies = plan.actions.filter((action) => action.do === "copy");
  const size = (side: "local" | "remote") =>
    copies.reduce((sum, { to, source }) => sum + (to === side && source.kind === "file" ? source.size : 0), 0);
  const count = (test: (action: Plan["actions"][number]) => boolean) => plan.actions.filter(test).length;
  const up = count((action) => action.do === "copy" && action.to === "remote");
  const down = copies.length - up;
  const parts: string[] = [];
  if (up > 0) parts.push(`${plural(up, "file")} to upload (${formatBytes(size("remote"))})`);
  if (down > 0) parts.push(`${plural(down, "file")} to download (${formatBytes(size("local"))})`);
  const others: [number, string][] = [
    [count((action) => action.do === "move"), "to rename"],
    [count((action) => action.do === "remove" && action.target.kind !== "dir"), "to remove"],
    [count((action) => action.do === "touch"), "to give the right time"],
  ];
  for (const [number, what] of others) if (number > 0) parts.push(`${plural(number, "file")} ${what}`);
  const made = count((action) => action.do === "makeDir");
  const gone = count((action) => action.do === "remove" && action.target.kind === "dir");
  if (made > 0) parts.push(`${plural(made, "folder")} to make`);
  if (gone > 0) parts.push(`${plural(gone, "folder")} to remove`);
  return parts.join(", ") || "nothing to do";
}

/** Describes the files that a first run in Both finds on one side only; undefined if there are none. */
export function describeFirstRun(plan: Plan): string | undefined {
  const on = (side: "local" | "remote") =>
    plan.actions.filter((action) => action.do === "copy" && action.why === "new" && action.to !== side).length;
  const [local, remote] = [on("local"), on("remote")];
  if (local + remote === 0) return undefined;
  const [here, there] = [plural(local, "file"), plural(remote, "file")];
  return `The first run of this pair: ${here} only on the local side, ${there} only on the remote side; each goes to the other side too.`;
}

function transfers(result: SyncResult): string[] {
  const { UploadCount: up, DownloadCount: down, Uploads, Downloads } = result;
  const size = (items: SyncResult["Uploads"]) => formatBytes(items.reduce((sum, item) => sum + (item.Length ?? 0), 0));
  const parts: string[] = [];
  if (up > 0) parts.push(`${plural(up, "file")} uploaded (${size(Uploads)})`);
  if (down > 0) parts.push(`${plural(down, "file")} downloaded (${size(Downloads)})`);
  return parts;
}

function others(result: SyncResult): string[] {
  const failed = result.Failures.filter(({ Path }) => Path !== null);
  const counts: [number, string][] = [
    [result.Restored, "of them restored"],
    [result.MoveCount, "moved"],
    [result.RemovalCount, "removed"],
    [result.TouchCount, "given the right time"],
    [result.ConflictCount, "in conflict"],
    // The error that ended the run has no path, and is shown in full besides this sentence.
    [failed.filter(({ Kind }) => Kind !== "Cancelled").length, "failed"],
    [failed.filter(({ Kind }) => Kind === "Cancelled").length, "cut short"],
  ];
  const parts = counts.filter(([count]) => count > 0).map(([count, what]) => `${formatCount(count)} ${what}`);
  if (result.FoldersMade > 0) parts.push(`${plural(result.FoldersMade, "folder")} made`);
  if (result.FoldersRemoved > 0) parts.push(`${plural(result.FoldersRemoved, "folder")} removed`);
  if (result.HeldRemovals > 0) parts.push(`${plural(result.HeldRemovals, "removal")} held back`);
  return parts;
}
