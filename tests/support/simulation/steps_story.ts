import fc from "npm:fast-check@4.10.2";
import type { ConflictPolicy, Mode } from "../../../lib/sync/common/options.ts";
import type { Side } from "../../../lib/core/entry.ts";
import type { MemoryDials, OptionalMethod } from "../../../lib/backends/memory/options.ts";

/** One run over the pair. */
export interface StepRun {
  readonly mode: Mode;
  readonly mirror: boolean;
  readonly remove: boolean;
  readonly conflict: ConflictPolicy;
}

/**
 * After a wait of so many ms: a user saves (contents of one letter have one length), saves on the local side and sets the file's time back
 * to what it was, or a run happens.
 */
export type Moment =
  & { readonly wait: number }
  & (
    | { readonly do: "save"; readonly side: Side | "both"; readonly isLonger: boolean }
    | { readonly do: "putBack" }
    | { readonly do: "run"; readonly run: StepRun }
  );

/** Two places with clocks and steps of their own, one file, and what happens to it before the last run. */
export interface StepsStory {
  readonly dials: Readonly<Record<Side, MemoryDials>>;
  readonly moments: readonly Moment[];
  readonly last: StepRun;
}

/** The steps at which places keep times, in ms; undefined: they keep none. */
const remoteSteps = [1, 1000, 2000, 60_000, undefined] as const;

/** By how many ms the server's clock is ahead. A time that lies hours ahead is looked at until this machine's clock has passed it. */
const clocksOff = [-1000, -1999, -3000, -5000, -90_000, -18_000_000, 3000, 90_000, 300_000] as const;

const lacks = fc.constantFrom<readonly OptionalMethod[]>([], ["checksum"], ["checksum"]);

/** `lies`: servers that refuse, ignore or move times, or whose revisions are worth nothing. */
export function anyStepsStory({ lies }: { readonly lies: boolean }): fc.Arbitrary<StepsStory> {
  const remote: fc.Arbitrary<MemoryDials> = fc.record({
    timeStep: fc.constantFrom(...remoteSteps),
    lacks,
    clockOff: fc.constantFrom(0, 0, ...clocksOff),
    fileIds: fc.constant(false),
    ...(lies
      ? {
        times: fc.constantFrom("kept", "refused", "ignored", "moved" as const),
        revisions: fc.constantFrom(false, false, "stale" as const, "loose" as const),
        roundsUp: fc.boolean(),
      }
      : {}),
  }).map(({ revisions = false, times = "kept", ...dials }: MemoryDials) => {
    // A revision that outlives a change, beside no time of the edit: nothing on such a server shows an edit within a second.
    const worth = revisions === "stale" && (times !== "kept" || dials.timeStep === undefined) ? false : revisions;
    // A clock that is behind still has to reach the times that runs set. Only folders' times show by how much.
    const isSet = (dials.clockOff ?? 0) < 0 && times === "kept" && dials.timeStep !== undefined;
    const clockOff = isSet ? Math.max(dials.clockOff ?? 0, -300_000) : dials.clockOff ?? 0;
    return { ...dials, clockOff, times, revisions: worth, weakRevisions: true, dirTimes: isSet };
  });
  const local: fc.Arbitrary<MemoryDials> = fc.record({
    timeStep: fc.constantFrom(1, 1, 1000, 2000),
    changeTimes: fc.constant(true),
    fileIds: fc.boolean(),
  });
  return fc.record({
    dials: fc.record({ local, remote }),
    moments: fc.array(anyMoment, { minLength: 1, maxLength: 7 }),
    last: anyRun,
  });
}

const anyRun: fc.Arbitrary<StepRun> = fc.record({
  mode: fc.constantFrom<Mode>("Local", "Remote", "Both", "Both"),
  mirror: fc.boolean(),
  remove: fc.boolean(),
  conflict: fc.constantFrom<ConflictPolicy>("Newest", "Newest", "Local", "Remote", "KeepBoth", "Skip"),
});

const wait = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 5000 }), fc.constantFrom(1, 999, 1000, 1999, 2000));

const anyMoment: fc.Arbitrary<Moment> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      wait,
      do: fc.constant("save" as const),
      side: fc.constantFrom("local", "remote", "both" as const),
      isLonger: fc.nat(5).map((n) => n === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ wait: wait.map((ms) => ms + 1), do: fc.constant("putBack" as const) }) },
  { weight: 5, arbitrary: fc.record({ wait, do: fc.constant("run" as const), run: anyRun }) },
);
