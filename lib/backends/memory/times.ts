import type { Traits } from "../../core/backend.ts";

/**
 * The handling of a requested file time by the simulated server. "refused": the request fails; "ignored": it succeeds
 * without effect; in both cases the file keeps the time of its last write. "moved": a rename sets the file's time to
 * the current time, also the rename that ends a write.
 */
export type TimeKeeping = "kept" | "refused" | "ignored" | "moved";

/**
 * The storage of times. `clockOff`: the ms by which the server's clock is ahead; `roundsUp`: times are rounded up to
 * the time step instead of down.
 */
export interface TimeDials {
  readonly times?: TimeKeeping;
  readonly clockOff?: number;
  readonly roundsUp?: boolean;
}

/** An event that may change a file's time: it was written, its time was set, or it was renamed. */
export type TimeEvent = "written" | "set" | "renamed";

/** Returns the time of a file after an event. `asked`: the requested time; `had`: the one before. */
export type TimeRule = (
  befallen: TimeEvent,
  given: { readonly asked: number | undefined; readonly had: number | undefined },
) => number;

/** Returns the time rule of a simulated server; `now` is its own clock. */
export function makeTimeRule(
  { timeStep }: Traits,
  { times = "kept", roundsUp = false }: TimeDials,
  now: () => number,
): TimeRule {
  const round = roundsUp ? Math.ceil : Math.floor;
  const atStep = (time: number) => timeStep === undefined || timeStep === 0 ? time : round(time / timeStep) * timeStep;
  const takes = timeStep !== undefined && (times === "kept" || times === "moved");
  return (befallen, { asked, had }) => {
    if (befallen === "renamed") return times === "moved" || had === undefined ? atStep(now()) : had;
    if (befallen === "set") return takes || had === undefined ? atStep(asked ?? now()) : had;
    return takes && times !== "moved" ? atStep(asked ?? now()) : atStep(now());
  };
}
