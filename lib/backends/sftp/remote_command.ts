import type { CallOptions } from "../../core/backend.ts";
import type { Pool } from "./pool.ts";

/** `input`: the command's standard input; `onText`: receives its output in pieces, decoded as UTF-8. */
export interface CommandOptions extends CallOptions {
  readonly input: string;
  onText(text: string): void;
}

/**
 * Runs a command on the server, for accounts that have a shell. Returns its exit code. Rejects with unsupported if no
 * command can be run, and otherwise when the connection ends or the signal is aborted.
 */
export async function runCommand(pool: Pool, command: string, options: CommandOptions): Promise<number> {
  const connection = await pool.connection(options);
  const execution = await connection.exec(command, options);
  execution.stderr.resume();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  execution.stdout.on("data", (data: Uint8Array) => options.onText(decoder.decode(data, { stream: true })));
  execution.stdin.end(options.input);
  const code = await execution.exit;
  if (connection.closed.aborted) throw connection.closed.reason;
  return code;
}
