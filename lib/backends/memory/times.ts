import type { Traits } from "../../core/backend.ts";
import type { TimeDials } from "./options.ts";

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
