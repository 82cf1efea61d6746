/** One command line: a pipeline, and the variable that its output is assigned to. Variable names are in lower case. */
export interface Statement {
  readonly assign?: string;
  readonly pipeline: Pipeline;
}

/** Stages in the order of the data flow. */
export type Pipeline = readonly Stage[];

/** A command, or (only as a first stage) a value: $session | Sync-Path … */
export type Stage = CommandStage | { readonly kind: "value"; readonly value: Expression };

export interface CommandStage {
  readonly kind: "command";
  readonly name: string;
  readonly args: readonly Argument[];
}

/**
 * An argument. `named` without a value: a switch, or the value is the next argument; the binder decides which. `splat`:
 * @name.
 */
export type Argument =
  | { readonly kind: "named"; readonly name: string; readonly value?: Expression }
  | { readonly kind: "value"; readonly value: Expression }
  | { readonly kind: "splat"; readonly name: string; readonly at: string };

/**
 * An expression. `word`: one of a program's arguments; only a list-typed parameter splits it at commas. `text`: final.
 * `joined`: parts of one text. `property`: also an index. `list`: `raw` is its source text if that could be one text
 * too. `pipeline`: one output is the value itself, several are a list; `always` a list for @(…). `at`: "line 1, column
 * 8".
 */
export type Expression =
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "literal"; readonly value: boolean | null }
  | { readonly kind: "variable"; readonly name: string; readonly at: string }
  | { readonly kind: "property"; readonly of: Expression; readonly name: string; readonly at: string }
  | { readonly kind: "env"; readonly name: string; readonly at: string }
  | { readonly kind: "joined"; readonly parts: readonly Expression[] }
  | { readonly kind: "list"; readonly items: readonly Expression[]; readonly raw?: string }
  | { readonly kind: "table"; readonly entries: readonly (readonly [name: string, value: Expression])[] }
  | { readonly kind: "pipeline"; readonly pipelines: readonly Pipeline[]; readonly always: boolean };
