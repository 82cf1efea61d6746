import type { SyncError } from "../core/errors.ts";
import type { Run, SyncEvent } from "../core/entry.ts";
import { itemizer } from "./itemize.ts";
import type { ItemRecord } from "./items.ts";
import {
  arrayLayout,
  isSyncResult,
  type Layout,
  lineLayout,
  objectLayout,
  textLayout,
  type Written,
} from "./layouts.ts";
import { Progress, type Ticker } from "./progress.ts";
import { toErrorRecord } from "./records.ts";
import type { SyncResult } from "./result.ts";
import { summarize } from "./summary.ts";
import { viewFailures } from "./table.ts";
import { errorLines, type Paint, paintWhen, plural, sentence } from "./text.ts";
import { sayNote, verboseLines } from "./verbose.ts";

/** Values of -OutputFormat. */
export const outputFormats = ["Auto", "Text", "Json", "JsonLines"] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** Where a report goes. `color`: colours are wanted, where the stream is a terminal (the caller honours NO_COLOR). */
export interface Sinks {
  out(text: string): void | Promise<void>;
  err(text: string): void | Promise<void>;
  columns(): number | undefined;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly color: boolean;
}

/** What the command's common parameters say, and which run an event belongs to. */
export interface Manner {
  readonly run?: Run | undefined;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** What a person or a pipe sees of one command line. Writes happen in the order of the calls; a standard error that is closed stops nothing. */
export interface Reporter {
  /** Something happened in a run: progress, -Verbose, the lines of JsonLines. */
  event(event: SyncEvent, manner?: Manner): void;
  /** A final object of the pipeline, or a text. Rejects with what standard output rejected with. */
  result(value: unknown, manner?: Manner): Promise<void>;
  /** A sentence on stderr that changes no exit code. */
  warn(message: string): Promise<void>;
  /** An error on stderr; the first one also ends a JSON output. */
  error(error: SyncError): Promise<void>;
  /** Takes the progress line away until the next event: something else writes to the terminal, a question. */
  pause(): Promise<void>;
  /** Says the last word. `exitCode` is that of the process. Rejects as result() does. */
  end(options?: { readonly exitCode?: number }): Promise<void>;
}

/** A reporter for standard output in this format, and for standard error. Progress is drawn only where stderr is a terminal. */
export function makeReporter(format: OutputFormat, sinks: Sinks, ticker: Ticker): Reporter {
  const chosen = format === "Auto" ? (sinks.outIsTerminal ? "Text" : "Objects") : format;
  return new StreamReporter(layouts[chosen](sinks), sinks, ticker);
}

type LayoutName = Exclude<OutputFormat, "Auto"> | "Objects";

/** A new format is a row here and a layout. */
const layouts: Readonly<Record<LayoutName, (sinks: Sinks) => Layout>> = {
  Text: ({ color, outIsTerminal }) =>
    textLayout({ paint: paintWhen(color && outIsTerminal), isTerminal: outIsTerminal }),
  Objects: objectLayout,
  Json: arrayLayout,
  JsonLines: lineLayout,
};

/** Failures that are spelled out on standard error. */
const failuresTold = 3;
/** Warnings of one run that are spelled out. */
const warningsShown = 10;
const refusalBytes = 1800;

class StreamReporter implements Reporter {
  readonly #layout: Layout;
  readonly #sinks: Sinks;
  readonly #progress: Progress | undefined;
  readonly #paint: Paint;
  /** Notes that were shown when they came. */
  readonly #told = new Set<string>();
  /** How many items of each type this run's events have written. */
  readonly #streamed = new Map<ItemRecord["Type"], number>();
  /** Writes in the order of the calls. It never rejects: what happened to standard output is in #broken. */
  #writes: Promise<void> = Promise.resolve();
  #broken: { readonly cause: unknown } | undefined;
  #isDeaf = false;
  /** A comparison began, and no difference came. */
  #isSame = false;
  #first: SyncError | undefined;
  #current: { readonly run: Run; readonly itemize: ReturnType<typeof itemizer> } | undefined;

  constructor(layout: Layout, sinks: Sinks, ticker: Ticker) {
    this.#layout = layout;
    this.#sinks = sinks;
    this.#paint = paintWhen(sinks.color && sinks.errIsTerminal);
    const screen = { write: (text: string) => this.#tell(text), columns: () => sinks.columns() };
    this.#progress = sinks.errIsTerminal ? new Progress(screen, ticker) : undefined;
  }

  event(event: SyncEvent, manner: Manner = {}): void {
    const { run, quiet, verbose } = manner;
    if (!quiet) this.#progress?.add(event);
    if (run !== undefined) this.#items(event, run);
    if (verbose && run !== undefined) {
      for (const line of verboseLines(event, run)) this.#write("err", `VERBOSE: ${line}\n`);
    } else if (event.type === "noted" && event.note.count !== undefined && !quiet) {
      this.#write("err", `${sayNote(event.note)}\n`);
    }
    if (event.type === "noted") this.#told.add(event.note.why);
  }

  async result(value: unknown, manner: Manner = {}): Promise<void> {
    await this.#progress?.stop();
    if (isSyncResult(value)) this.#rest(value);
    const type = typeOf(value);
    if (type === "Plan" || type === "Difference") this.#isSame = type === "Plan";
    this.#write("out", this.#layout.value(this.#sinks.outIsTerminal ? withoutSeal(value) : value));
    if (isSyncResult(value)) this.#sum(value, manner);
    await this.#written();
  }

  async warn(message: string): Promise<void> {
    this.#warn(message);
    await this.#writes;
  }

  async error(error: SyncError): Promise<void> {
    await this.#progress?.stop();
    this.#first ??= error;
    // A guard names counts, ten files and both ways on: it may take more room than a slip of the keyboard.
    const room = error.kind === "refused" ? refusalBytes : undefined;
    for (const line of errorLines(error.message, room)) this.#write("err", `${this.#paint("red", line)}\n`);
    await this.#writes;
  }

  async pause(): Promise<void> {
    await this.#writes;
    await this.#progress?.stop();
  }

  async end(options: { readonly exitCode?: number } = {}): Promise<void> {
    await this.#progress?.stop();
    const last = this.#first === undefined ? undefined : toErrorRecord(this.#first, options.exitCode);
    this.#write("out", this.#layout.end(last));
    if (this.#isSame && this.#sinks.outIsTerminal && last === undefined) this.#write("err", "Nothing differs.\n");
    await this.#written();
  }

  #items(event: SyncEvent, run: Run): void {
    if (this.#layout.item === undefined) return;
    if (this.#current?.run !== run) this.#current = { run, itemize: itemizer(run) };
    for (const item of this.#current.itemize(event)) {
      this.#streamed.set(item.Type, (this.#streamed.get(item.Type) ?? 0) + 1);
      this.#write("out", this.#layout.item(item));
    }
  }

  /** Items that no event told: the error that ended the run, or all of them where events came without their run. */
  #rest(result: SyncResult): void {
    if (this.#layout.item === undefined) return;
    const { Uploads, Downloads, Removals, Moves, Conflicts, Failures } = result;
    for (const list of [Uploads, Downloads, Removals, Moves, Conflicts, Failures]) {
      const told = list[0] === undefined ? 0 : this.#streamed.get(list[0].Type) ?? 0;
      for (const item of list.slice(told)) this.#write("out", this.#layout.item(item));
    }
    this.#streamed.clear();
  }

  /** Warnings always; notes that stand for many paths and the summary unless -Quiet, the notes alone only where a person looks. */
  #sum(result: SyncResult, manner: Manner): void {
    for (const warning of result.Warnings.slice(0, warningsShown)) this.#warn(warning);
    const more = result.Warnings.length - warningsShown;
    if (more > 0) this.#warn(`and ${plural(more, "more warning")}`);
    if (manner.quiet) return;
    const summary = summarize(result);
    const notes = result.Notes.filter((note) =>
      note.Count !== null && note.Path === null && !this.#told.has(note.Message)
    );
    if (summary !== undefined || this.#sinks.errIsTerminal) {
      for (const note of notes) this.#write("err", `${sentence(note.Message)}\n`);
    }
    if (summary !== undefined) this.#write("err", `${sentence(summary)}\n`);
    // At a terminal the view has them; a job at night may have only standard error.
    const lines = this.#sinks.outIsTerminal ? [] : viewFailures(result, failuresTold);
    for (const line of lines) this.#write("err", `${this.#paint("red", line)}\n`);
    this.#told.clear();
  }

  #warn(message: string): void {
    this.#write("err", `${this.#paint("yellow", sentence(`Warning: ${message}`))}\n`);
  }

  #write(stream: "out" | "err", text: Written): void {
    if (text === "") return;
    this.#writes = this.#writes.then(async () => {
      await this.#progress?.yield();
      for (const piece of typeof text === "string" ? [text] : text) {
        await (stream === "err" ? this.#tell(piece) : this.#put(piece));
      }
      this.#progress?.resume();
    });
  }

  async #put(text: string): Promise<void> {
    if (this.#broken !== undefined) return;
    try {
      await this.#sinks.out(text);
    } catch (cause) {
      this.#broken = { cause };
    }
  }

  /** Standard error may be closed, and nobody is left to be told so: the run goes on. */
  async #tell(text: string): Promise<void> {
    if (this.#isDeaf) return;
    try {
      await this.#sinks.err(text);
    } catch {
      this.#isDeaf = true;
    }
  }

  async #written(): Promise<void> {
    await this.#writes;
    if (this.#broken !== undefined) throw this.#broken.cause;
  }
}

function typeOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "Type" in value ? value.Type : undefined;
}

/** A session's line is for pipes: on a screen it would be read over a shoulder. */
function withoutSeal(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("Seal" in value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== "Seal" && name !== "Secret"));
}
