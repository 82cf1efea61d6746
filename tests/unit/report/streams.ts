import { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import { makeReporter, type OutputFormat } from "../../../lib/report/reporter.ts";
import { done, failed, noon, planned, removal, run, upload } from "./given.ts";
import type { Run, SyncEvent } from "../../../lib/core/plan.ts";
import { startResult } from "../../../lib/report/result_builder.ts";

/** Which streams are terminals. */
export interface Given {
  readonly format?: OutputFormat;
  readonly out?: boolean;
  readonly err?: boolean;
  readonly color?: boolean;
}

/** A reporter with streams that remember, in one list too: [stream, text]. */
export function given({ format = "Auto", out = false, err = false, color = false }: Given = {}) {
  const all: ["out" | "err", string][] = [];
  const ticks = new Set<() => void>();
  let broken: { readonly out?: Error; readonly err?: Error } = {};
  const sink = (stream: "out" | "err") => async (text: string) => {
    // A slow stream: the progress line's turn comes while this text is on its way.
    for (const tick of ticks) tick();
    await Promise.resolve();
    if (broken[stream] !== undefined) throw broken[stream];
    all.push([stream, text]);
  };
  const reporter = makeReporter(format, {
    out: sink("out"),
    err: sink("err"),
    columns: () => 80,
    outIsTerminal: out,
    errIsTerminal: err,
    color,
  }, {
    now: () => 0,
    every(_ms, tick) {
      ticks.add(tick);
      return () => void ticks.delete(tick);
    },
  });
  const text = (stream: "out" | "err") => all.filter(([name]) => name === stream).map(([, text]) => text).join("");
  return {
    reporter,
    all,
    ticks,
    break: (streams: typeof broken) => broken = streams,
    get out() {
      return text("out");
    },
    get err() {
      return text("err");
    },
    get lines() {
      return text("out").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
    },
  };
}

/** Hands a run's events to the reporter, then its result. */
export async function tell(
  { reporter }: ReturnType<typeof given>,
  events: readonly SyncEvent[],
  options: {
    readonly whatIf?: boolean;
    readonly quiet?: boolean;
    readonly verbose?: boolean;
    readonly mute?: boolean;
  } = {},
) {
  const { whatIf = false, quiet = false, verbose = false } = options;
  const its: Run = { ...run, whatIf };
  const fold = startResult(its, { started: noon });
  for (const event of events) {
    fold.add(event);
    if (!options.mute) reporter.event(event, { run: its, quiet, verbose });
  }
  await reporter.result(fold.end({ now: noon + 1000 }), { quiet, verbose });
}

const denied = new SyncError("denied", "access is denied", { operation: "write" });

/** A run that does one thing, fails at two, and holds one back. */
export const events: readonly SyncEvent[] = [
  { type: "scanned", side: "local", entries: 3 },
  planned({
    actions: [upload("a"), upload("b"), removal("c")],
    refusals: [{ path: toRelPath("r"), kind: "denied", why: "no" }],
  }),
  { type: "started", action: upload("a") },
  done(upload("a")),
  failed(upload("b"), denied),
  { type: "held", action: removal("c"), why: "a file failed" },
];
