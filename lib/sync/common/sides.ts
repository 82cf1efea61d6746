import type { Backend } from "../../core/backend.ts";
import type { Side } from "../../core/entry.ts";
import type { Action } from "../../core/plan.ts";

/** The backends of both sides of a run. */
export type Backends = Readonly<Record<Side, Backend>>;

export type Copy = Extract<Action, { readonly do: "copy" }>;
