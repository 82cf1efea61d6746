import type { DifferenceRecord } from "./records.ts";
import type { SyncResult } from "./result.ts";
import { escapeForTerminal, formatBytes, type Paint, plural, shorten } from "./text.ts";
import type { SealedSession } from "../core/session_record.ts";

/** The number of names in the braces of a list, and the number of failures shown in full. */
const namesShown = 4;
const failuresShown = 20;

/** Returns a result for a terminal: five lines, then the failures, one line each. */
export function viewResult(result: SyncResult, paint: Paint): string {
  const failed = result.Failures.map((failure) => failure.FileName ?? failure.Path ?? failure.Kind);
  const lines = [
    `Uploads   : ${bracedList(result.Uploads.map((item) => item.FileName))}`,
    `Downloads : ${bracedList(result.Downloads.map((item) => item.FileName))}`,
    `Removals  : ${bracedList(result.Removals.map((item) => item.FileName))}`,
    `Failures  : ${bracedList(failed)}`,
    `IsSuccess : ${result.IsSuccess ? "True" : "False"}`,
    ...viewFailures(result).map((line) => paint("red", line)),
  ];
  return `${lines.join("\n")}\n`;
}

/** Returns `What if: …` for each file of a plan that was not executed. */
export function viewWhatIf(result: SyncResult): string {
  const transfers = [...result.Uploads, ...result.Downloads].map((item) => whatIfLine(item.Action, item.Destination));
  const removals = result.Removals.map((item) => whatIfLine(item.Action, item.FileName));
  return [...transfers, ...removals].join("");
}

/**
 * Returns one line for one difference: action, size and time (UTC) of the source side, path; a folder's path ends in
 * "/".
 */
export function viewDifference(difference: DifferenceRecord, paint: Paint): string {
  const { Action, Local, Remote, IsDirectory, Path } = difference;
  const source = Action.startsWith("Upload") || Action === "DeleteLocal" ? Local ?? Remote : Remote ?? Local;
  const size = source === null || source.Length === null ? "" : formatBytes(source.Length);
  const time = source === null ? "" : (source.LastWriteTime ?? "").slice(0, 19).replace("T", " ");
  const word = paint(colorOf(Action), formatActionName(Action).padEnd(15));
  const line = `${word} ${size.padStart(10)}  ${time.padEnd(19)}  ${escapeForTerminal(Path)}${IsDirectory ? "/" : ""}`;
  return `${line}\n`;
}

/** Returns the header line of the differences. */
export function differenceHead(): string {
  return `${"Action".padEnd(15)} ${"Size".padStart(10)}  ${"Modified (UTC)".padEnd(19)}  Path\n`;
}

/** Returns any other object as one line per property. Secrets and values that cannot be written are omitted. */
export function viewObject(value: object): string {
  const rows = Object.entries(value).filter(([name, held]) => name !== "Type" && isShown(held));
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, held]) => `${escapeForTerminal(name).padEnd(width)} : ${viewValue(name, held)}\n`).join("");
}

/** Returns a session as its address and the server that answered; never the data that would open it. */
export function viewSession(value: object): string {
  const { Address, HostKey, Expires } = value as Partial<SealedSession>;
  if (Address === undefined) return viewObject(value);
  const { Scheme, UserName, HostName, PortNumber, Path } = Address;
  const port = PortNumber === null ? "" : `:${PortNumber}`;
  const address = `${Scheme}://${UserName === null ? "" : `${UserName}@`}${HostName}${port}${Path}`;
  return viewObject({ Address: address, HostKey, Expires });
}

/** Returns "UploadNew" in readable form: "Upload new". */
export function formatActionName(action: string): string {
  return action.replace(/\B[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function bracedList(names: readonly string[]): string {
  const first = names.slice(0, namesShown).map((name) => shorten(escapeForTerminal(name), 1000));
  return `{${first.join(", ")}${names.length > namesShown ? "\u2026" : ""}}`;
}

/** Returns the failures of a result, except the error that ended the run: it has no path, and stderr has it. */
export function viewFailures(result: SyncResult, most = failuresShown): string[] {
  // Actions that Ctrl-C interrupted are one number in the summary; the next run does them.
  const failures = result.Failures.filter(({ Path, Kind }) => Path !== null && Kind !== "Cancelled");
  const lines = failures.slice(0, most).map(({ Path, Message }) => {
    const path = escapeForTerminal(Path ?? "");
    const message = shorten(escapeForTerminal(Message), 500);
    return `  ${message.includes(path) ? message : `${shorten(path, 200)}: ${message}`}`;
  });
  const more = failures.length - most;
  return more > 0 ? [...lines, `  and ${plural(more, "more failure")}`] : lines;
}

function whatIfLine(action: string, target: string): string {
  return `What if: Performing the operation "${formatActionName(action)}" on target "${escapeForTerminal(target)}".\n`;
}

function colorOf(action: DifferenceRecord["Action"]): Parameters<Paint>[0] {
  if (action === "Conflict") return "yellow";
  return action.startsWith("Delete") ? "red" : "green";
}

function isShown(value: unknown): boolean {
  return typeof value !== "function" && value !== undefined;
}

function viewValue(name: string, value: unknown): string {
  if (/secret|seal|password|passphrase/i.test(name)) return "********";
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) {
    return bracedList(value.map((one) => (typeof one === "string" ? one : JSON.stringify(one))));
  }
  return escapeForTerminal(typeof value === "object" ? JSON.stringify(value) : String(value));
}
