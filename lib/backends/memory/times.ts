import type { Traits } from "../../core/backend.ts";

/**
 * What a place makes of the time that a file is to have. "refused": it says no; "ignored": it says yes; either way the file keeps the time of
 * its last write. "moved": renaming a file gives it the time of that moment, so that a written one, which is renamed to its place, has it too.
 */
export type TimeKeeping = "kept" | "refused" | "ignored" | "moved";

/** How times are kept and shown. `clockOff`: the place's clock is ahead by so many ms; `roundsUp`: to the next step instead of the last one. */
export interface TimeDials {
  readonly times?: TimeKeeping;
  readonly clockOff?: number;
  readonly roundsUp?: boolean;
}

/** What befell a file: it was written, given a time, or renamed. */
export type Befallen = "written" | "set" | "renamed";

/** The time that a file has after something befell it. `asked`: the one that it is to have; `had`: the one before. */
export type Stamp = (
  befallen: Befallen,
  given: { readonly asked: number | undefined; readonly had: number | undefined },
) => number;

/** Makes the rule by which a place gives times; `now` is its own clock. */
export function toStamp(
  { timeStep }: Traits,
  { times = "kept", roundsUp = false }: TimeDials,
  now: () => number,
): Stamp {
  const round = roundsUp ? Math.ceil : Math.floor;
  const atStep = (time: number) => timeStep === undefined || timeStep === 0 ? time : round(time / timeStep) * timeStep;
  const takes = timeStep !== undefined && (times === "kept" || times === "moved");
  return (befallen, { asked, had }) => {
    if (befallen === "renamed") return times === "moved" || had === undefined ? atStep(now()) : had;
    if (befallen === "set") return takes || had === undefined ? atStep(asked ?? now()) : had;
    return takes && times !== "moved" ? atStep(asked ?? now()) : atStep(now());
  };
}
