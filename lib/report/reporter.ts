import type { SyncError } from "../core/errors.ts";
import { makeItemizer } from "./itemize.ts";
import type { ItemRecord } from "./items.ts";
import {
  arrayLayout,
  isSyncResult,
  type Layout,
  lineLayout,
  objectLayout,
  type OutputText,
  textLayout,
} from "./layouts.ts";
import { Progress, type Ticker } from "./progress.ts";
import { toErrorRecord } from "./records.ts";
import type { SyncResult } from "./result.ts";
import { summarize } from "./summary.ts";
import { viewFailures } from "./table.ts";
import { makePaint, type Paint, plural, toErrorLines, toLine } from "./text.ts";
import { formatNote, verboseLines } from "./verbose.ts";
import type { Run, SyncEvent } from "../core/plan.ts";

/** Values of -OutputFormat. */
export const outputFormats = ["Auto", "Text", "Json", "JsonLines"] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** The outputs of a report. `color`: colours are wanted if the stream is a terminal (the caller respects NO_COLOR). */
export interface Sinks {
  out(text: string): void | Promise<void>;
  err(text: string): void | Promise<void>;
  columns(): number | undefined;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  readonly color: boolean;
}

/** The command's common parameters, and the run that an event belongs to. */
export interface ReportOptions {
  readonly run?: Run | undefined;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/**
 * The output of one command line, for a user or a pipe. Writes happen in the order of the calls; a closed standard
 * error does not stop the run.
 */
export interface Reporter {
  /** Reports an event of a run: progress, -Verbose, the lines of JsonLines. */
  event(event: SyncEvent, options?: ReportOptions): void;
  /** Writes a final object of the pipeline, or a text. Rejects with the error of standard output. */
  result(value: unknown, manner?: ReportOptions): Promise<void>;
  /** Writes a sentence on stderr that does not change the exit code. */
  warn(message: string): Promise<void>;
  /** Writes an error on stderr; the first one also ends a JSON output. */
  error(error: SyncError): Promise<void>;
  /**
   * Removes the progress line until the next event, because something else, such as a question, is written to the
   * terminal.
   */
  pause(): Promise<void>;
  /** Writes the end of the output. `exitCode` is that of the process. Rejects as result() does. */
  end(options?: { readonly exitCode?: number }): Promise<void>;
}

/**
 * Returns a reporter for standard output in this format, and for standard error. Progress is drawn only if stderr is a
 * terminal.
 */
export function makeReporter(format: OutputFormat, sinks: Sinks, ticker: Ticker): Reporter {
  const chosen = format === "Auto" ? (sinks.outIsTerminal ? "Text" : "Objects") : format;
  return new StreamReporter(layouts[chosen](sinks), sinks, ticker);
}

type LayoutName = Exclude<OutputFormat, "Auto"> | "Objects";

/** A new format needs a row here and a layout. */
const layouts: Readonly<Record<LayoutName, (sinks: Sinks) => Layout>> = {
  Text: ({ color, outIsTerminal }) =>
    textLayout({ paint: makePaint(color && outIsTerminal), isTerminal: outIsTerminal }),
  Objects: objectLayout,
  Json: arrayLayout,
  JsonLines: lineLayout,
};

/** The number of failures that are shown in full on standard error. */
const failuresOnStderr = 3;
/** The number of warnings of one run that are shown in full. */
const warningsShown = 10;
const refusalBytes = 1800;

class StreamReporter implements Reporter {
  readonly #layout: Layout;
  readonly #sinks: Sinks;
  readonly #progress: Progress | undefined;
  readonly #paint: Paint;
  /** Notes that were already shown during the run. */
  readonly #shownNotes = new Set<string>();
  /** The number of items of each type that this run's events have written. */
  readonly #streamed = new Map<ItemRecord["Type"], number>();
  /** Writes in the order of the calls. It never rejects: a failure of standard output is stored in #broken. */
  #writes: Promise<void> = Promise.resolve();
  #outFailure: { readonly cause: unknown } | undefined;
  #isErrClosed = false;
  /** Whether a comparison began and has found no difference. */
  #foundNoDifference = false;
  #firstError: SyncError | undefined;
  #current: { readonly run: Run; readonly itemize: ReturnType<typeof makeItemizer> } | undefined;

  constructor(layout: Layout, sinks: Sinks, ticker: Ticker) {
    this.#layout = layout;
    this.#sinks = sinks;
    this.#paint = makePaint(sinks.color && sinks.errIsTerminal);
    const screen = { write: (text: string) => this.#writeErr(text), columns: () => sinks.columns() };
    this.#progress = sinks.errIsTerminal ? new Progress(screen, ticker) : undefined;
  }

  event(event: SyncEvent, manner: ReportOptions = {}): void {
    const { run, quiet, verbose } = manner;
    if (!quiet) this.#progress?.add(event);
    if (run !== undefined) this.#writeItems(event, run);
    if (verbose && run !== undefined) {
      for (const line of verboseLines(event, run)) this.#write("err", `VERBOSE: ${line}\n`);
    } else if (event.type === "noted" && event.note.count !== undefined && !quiet) {
      this.#write("err", `${formatNote(event.note)}\n`);
    }
    if (event.type === "noted") this.#shownNotes.add(event.note.why);
  }

  async result(value: unknown, manner: ReportOptions = {}): Promise<void> {
    await this.#progress?.stop();
    if (isSyncResult(value)) this.#writeMissingItems(value);
    const type = typeOf(value);
    if (type === "Plan" || type === "Difference") this.#foundNoDifference = type === "Plan";
    this.#write("out", this.#layout.value(this.#sinks.outIsTerminal ? withoutSeal(value) : value));
    if (isSyncResult(value)) this.#writeSummary(value, manner);
    await this.#flush();
  }

  async warn(message: string): Promise<void> {
    this.#writeWarning(message);
    await this.#writes;
  }

  async error(error: SyncError): Promise<void> {
    await this.#progress?.stop();
    this.#firstError ??= error;
    // A safety refusal lists counts, ten files and both ways to continue, so it may be longer than the error of a
    // typing mistake.
    const room = error.kind === "refused" ? refusalBytes : undefined;
    for (const line of toErrorLines(error.message, room)) this.#write("err", `${this.#paint("red", line)}\n`);
    await this.#writes;
  }

  async pause(): Promise<void> {
    await this.#writes;
    await this.#progress?.stop();
  }

  async end(options: { readonly exitCode?: number } = {}): Promise<void> {
    await this.#progress?.stop();
    const last = this.#firstError === undefined ? undefined : toErrorRecord(this.#firstError, options.exitCode);
    this.#write("out", this.#layout.end(last));
    if (this.#foundNoDifference && this.#sinks.outIsTerminal && last === undefined) {
      this.#write("err", "Nothing differs.\n");
    }
    await this.#flush();
  }

  #writeItems(event: SyncEvent, run: Run): void {
    if (this.#layout.item === undefined) return;
    if (this.#current?.run !== run) this.#current = { run, itemize: makeItemizer(run) };
    for (const item of this.#current.itemize(event)) {
      this.#streamed.set(item.Type, (this.#streamed.get(item.Type) ?? 0) + 1);
      this.#write("out", this.#layout.item(item));
    }
  }

  /**
   * Writes the items that no event reported: the error that ended the run, or all of them if events came without their
   * run.
   */
  #writeMissingItems(result: SyncResult): void {
    if (this.#layout.item === undefined) return;
    const { Uploads, Downloads, Removals, Moves, Conflicts, Failures } = result;
    for (const list of [Uploads, Downloads, Removals, Moves, Conflicts, Failures]) {
      const told = list[0] === undefined ? 0 : this.#streamed.get(list[0].Type) ?? 0;
      for (const item of list.slice(told)) this.#write("out", this.#layout.item(item));
    }
    this.#streamed.clear();
  }

  /**
   * Writes warnings in any case, and notes that stand for many paths and the summary unless -Quiet. Without a summary
   * the notes are written only if stderr is a terminal.
   */
  #writeSummary(result: SyncResult, manner: ReportOptions): void {
    for (const warning of result.Warnings.slice(0, warningsShown)) this.#writeWarning(warning);
    const more = result.Warnings.length - warningsShown;
    if (more > 0) this.#writeWarning(`and ${plural(more, "more warning")}`);
    if (manner.quiet) return;
    const summary = summarize(result);
    const notes = result.Notes.filter((note) =>
      note.Count !== null && note.Path === null && !this.#shownNotes.has(note.Message)
    );
    if (summary !== undefined || this.#sinks.errIsTerminal) {
      for (const note of notes) this.#write("err", `${toLine(note.Message)}\n`);
    }
    if (summary !== undefined) this.#write("err", `${toLine(summary)}\n`);
    // At a terminal the result view contains them; an unattended job may have only standard error.
    const lines = this.#sinks.outIsTerminal ? [] : viewFailures(result, failuresOnStderr);
    for (const line of lines) this.#write("err", `${this.#paint("red", line)}\n`);
    this.#shownNotes.clear();
  }

  #writeWarning(message: string): void {
    this.#write("err", `${this.#paint("yellow", toLine(`Warning: ${message}`))}\n`);
  }

  #write(stream: "out" | "err", text: OutputText): void {
    if (text === "") return;
    this.#writes = this.#writes.then(async () => {
      await this.#progress?.hide();
      for (const piece of typeof text === "string" ? [text] : text) {
        await (stream === "err" ? this.#writeErr(piece) : this.#writeOut(piece));
      }
      this.#progress?.resume();
    });
  }

  async #writeOut(text: string): Promise<void> {
    if (this.#outFailure !== undefined) return;
    try {
      await this.#sinks.out(text);
    } catch (cause) {
      this.#outFailure = { cause };
    }
  }

  /** Writes to standard error. If it is closed, the run continues, because there is no other stream to report it to. */
  async #writeErr(text: string): Promise<void> {
    if (this.#isErrClosed) return;
    try {
      await this.#sinks.err(text);
    } catch {
      this.#isErrClosed = true;
    }
  }

  async #flush(): Promise<void> {
    await this.#writes;
    if (this.#outFailure !== undefined) throw this.#outFailure.cause;
  }
}

function typeOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "Type" in value ? value.Type : undefined;
}

/** Removes the sealed line of a session, which is meant for pipes: on a screen other people could read it. */
function withoutSeal(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("Seal" in value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== "Seal" && name !== "Secret"));
}
