import type { DirEntry, Side } from "../../core/entry.ts";

/**
 * A root as recorded at the last run. `id`: distinguishes it from another folder at the same path; `modified`: its own
 * time in ms, if that was old enough to be trusted.
 */
export interface RootFacts {
  readonly id?: string;
  readonly modified?: number;
}

export type Roots = Readonly<Partial<Record<Side, RootFacts>>>;

/** The roots that do not exist and would have to be created. */
export type MissingRoots = Readonly<Record<Side, boolean>>;

/** The entries of the roots, read before their content was listed. */
export type RootEntries = Readonly<Partial<Record<Side, DirEntry>>>;
