import fs from "node:fs";
import { SyncError } from "../../lib/core/errors.ts";
import { escapeBuildCommands } from "../../lib/report/text.ts";

/** The error of a run that Ctrl-C ended. */
export const interruptedError = new SyncError("cancelled", "Interrupted.", { operation: "run" });

const isTerminal = { in: Deno.stdin.isTerminal(), out: Deno.stdout.isTerminal(), err: Deno.stderr.isTerminal() };
const encoder = new TextEncoder();

/** Standard output and error. The text on the latter contains no commands for a build server. */
export const sinks = {
  out: (text: string) =>
    writeAll(Deno.stdout, text).catch((cause) => {
      if (cause instanceof Deno.errors.BrokenPipe) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SyncError("unexpected", `Cannot write to standard output: ${why}`, { operation: "report", cause });
    }),
  err: (text: string) => writeAll(Deno.stderr, escapeBuildCommands(text)),
  columns,
  outIsTerminal: isTerminal.out,
  errIsTerminal: isTerminal.err,
  color: !Deno.noColor && Deno.env.get("TERM") !== "dumb",
};

/** The clock of the progress line. */
export const ticker = {
  now: () => performance.now(),
  every(ms: number, tick: () => void) {
    const timer = setInterval(tick, ms);
    Deno.unrefTimer(timer);
    return () => clearInterval(timer);
  },
};

/** Returns the terminal's width in characters; undefined if there is none. */
export function columns(): number | undefined {
  return isTerminal.out || isTerminal.err ? Deno.consoleSize().columns : undefined;
}

/** Whether standard input is a pipe or a file; /dev/null and a closed one are neither. */
export function isPipe(): boolean {
  if (isTerminal.in) return false;
  try {
    const input = fs.fstatSync(0);
    return input.isFIFO() || input.isSocket() || input.isFile();
  } catch {
    return false;
  }
}

/** Whether a question can be shown and answered. If standard input is a pipe, the keyboard is that of the terminal. */
export function canPrompt(): boolean {
  if (!isTerminal.err) return false;
  if (isTerminal.in) return true;
  try {
    Deno.openSync(keyboard, { read: true }).close();
    return true;
  } catch {
    return false;
  }
}

const keyboard = Deno.build.os === "windows" ? "CONIN$" : "/dev/tty";

/**
 * Returns one line typed at the terminal; undefined if there is none, or at the end of input. Without echo the typed
 * text is not shown. `pause` removes the progress line first.
 */
export async function promptLine(
  prompt: string,
  { pause, echo }: { pause(): Promise<void>; readonly echo: boolean },
): Promise<string | undefined> {
  if (!canPrompt()) return undefined;
  await pause();
  const terminal = isTerminal.in ? undefined : await Deno.open(keyboard, { read: true });
  const input = terminal ?? Deno.stdin;
  try {
    // Before the prompt: a user who types at once must not see a secret.
    if (!echo) input.setRaw(true, { cbreak: Deno.build.os !== "windows" });
    await sinks.err(prompt);
    return await readTyped(input);
  } finally {
    if (!echo) {
      input.setRaw(false);
      await sinks.err("\n");
    }
    terminal?.close();
  }
}

async function readTyped(input: { read(bytes: Uint8Array): Promise<number | null> }): Promise<string | undefined> {
  const typed: number[] = [];
  const byte = new Uint8Array(1);
  while (await input.read(byte) !== null) {
    const [code = 0] = byte;
    if (code === 10 || code === 13) return new TextDecoder().decode(new Uint8Array(typed));
    if (code === 3) throw interruptedError;
    if (code === 8 || code === 127) typed.pop();
    else typed.push(code);
  }
  return undefined;
}

async function writeAll(stream: typeof Deno.stdout, text: string): Promise<void> {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
}
