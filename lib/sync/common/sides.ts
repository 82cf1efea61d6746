import type { Backend } from "../../core/backend.ts";
import type { Action, Side } from "../../core/entry.ts";

/** The backends of both sides of a run. */
export type Backends = Readonly<Record<Side, Backend>>;

export type Copy = Extract<Action, { readonly do: "copy" }>;
