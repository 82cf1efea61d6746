import type { Call } from "../../core/backend.ts";
import type { Pool } from "./pool.ts";

/** `input`: the command's standard input; `onText`: receives its output in pieces, decoded as UTF-8. */
export interface CommandOptions extends Call {
  readonly input: string;
  onText(text: string): void;
}

/**
 * Runs a command on the server, for accounts that have a shell. Returns its exit code. Rejects with unsupported if no
 * command can be run, and otherwise when the connection ends or the signal is aborted.
 */
export async function runCommand(pool: Pool, command: string, options: CommandOptions): Promise<number> {
  const link = await pool.link(options);
  const running = await link.exec(command, options);
  running.stderr.resume();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  running.stdout.on("data", (data: Uint8Array) => options.onText(decoder.decode(data, { stream: true })));
  running.stdin.end(options.input);
  const code = await running.exit;
  if (link.closed.aborted) throw link.closed.reason;
  return code;
}
