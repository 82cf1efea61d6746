import { hostname } from "node:os";
import { Redactor } from "../../lib/core/redactor.ts";
import type { CommandContext, CommonValues } from "../../lib/shell/command/command.ts";

/** Returns the context of a command in a test: no terminal, no signal, and only these environment variables. Warnings go to `warnings`. */
export function testHost(
  { common = {}, env = {}, warnings = [], stack = new AsyncDisposableStack() }: {
    readonly common?: Partial<CommonValues>;
    readonly env?: Readonly<Record<string, string>>;
    readonly warnings?: string[];
    readonly stack?: AsyncDisposableStack;
  } = {},
): CommandContext {
  const { signal } = new AbortController();
  return {
    signal,
    abandon: signal,
    stack,
    common: { whatIf: false, confirm: false, verbose: false, quiet: false, stopOnError: false, ...common },
    emit: () => {},
    observe: () => {},
    show: () => {},
    warn: (message) => void warnings.push(message),
    addResult: () => {},
    addError(error) {
      throw error;
    },
    interactive: false,
    redactor: new Redactor(),
    columns: undefined,
    machineName: hostname(),
    choose: () => Promise.resolve(undefined),
    prompt: () => Promise.resolve(undefined),
    now: Date.now,
    env: (name) => env[name],
  };
}
