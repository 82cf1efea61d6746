import assert from "node:assert/strict";
import type { Backend } from "../../../../lib/core/backend.ts";
import { type CallHandlers, decorate } from "../../../../lib/backends/layers/decorator.ts";
import type { Entry } from "../../../../lib/core/entry.ts";
import type { RunOptions } from "../../../../lib/sync/run_options.ts";
import type { SyncEvent } from "../../../../lib/core/plan.ts";

/** A backend whose listings are changed; `times`: only so many of them. */
export function listing(inner: Backend, change: (entry: Entry) => readonly Entry[], times = Infinity): Backend {
  let left = times;
  const changed = (entries: readonly Entry[]) => left-- > 0 ? entries.flatMap(change) : entries;
  const around: CallHandlers = {
    call: async (attempt) => {
      const result = await attempt.run();
      return attempt.operation === "list" ? changed(result as readonly Entry[]) as typeof result : result;
    },
    walk: async function* ({ run }) {
      for await (const batch of run()) yield changed(batch);
    },
  };
  return decorate(inner, around);
}

export const without = (...paths: readonly string[]) => (entry: Entry) => paths.includes(entry.path) ? [] : [entry];

export function planOf(events: readonly SyncEvent[]) {
  const planned = events.find((event) => event.type === "planned");
  assert.ok(planned !== undefined);
  return planned.plan;
}

export const ways: readonly (Partial<RunOptions> & { readonly mode: RunOptions["mode"] })[] = [
  { mode: "Remote" },
  { mode: "Remote", removeDespiteFailures: true },
];
