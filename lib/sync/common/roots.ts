import type { DirEntry, Side } from "../../core/entry.ts";

/**
 * A root as it was when history was written. `id`: what tells it from another folder at the same place; `modified`: its own time, in ms,
 * where that was old enough to be trusted.
 */
export interface RootFacts {
  readonly id?: string;
  readonly modified?: number;
}

export type Roots = Readonly<Partial<Record<Side, RootFacts>>>;

/** Which roots are not there and would have to be made. */
export type Missing = Readonly<Record<Side, boolean>>;

/** The roots themselves as they were before what they hold was listed. */
export type RootEntries = Readonly<Partial<Record<Side, DirEntry>>>;
