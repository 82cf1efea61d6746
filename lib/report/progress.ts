import { isDirectory } from "./records.ts";
import { escapeForTerminal, formatBytes, formatClock, formatCount, shorten } from "./text.ts";
import { isAscii, loadWidth, type MeasureWidth, roughWidth } from "./width.ts";
import type { Action, Note, Plan, SyncEvent } from "../core/plan.ts";

/** A clock: `every` calls `tick` each `ms` until the function it returned is called. */
export interface Ticker {
  now(): number;
  every(ms: number, tick: () => void): () => void;
}

/** The terminal of the progress line; it must support carriage return and ESC[K. */
export interface ProgressScreen {
  write(text: string): void | Promise<void>;
  columns(): number | undefined;
}

/** The values of the progress line at one moment. Rates are per second; undefined until there is one. */
export interface ProgressState {
  readonly phase: "list" | "move";
  readonly listed: number;
  readonly filesDone: number;
  readonly files: number;
  readonly bytesDone: number;
  readonly bytes: number;
  readonly rate: number | undefined;
  readonly secondsLeft: number | undefined;
  readonly names: readonly string[];
}

/**
 * One line that shows the progress of a run, on a terminal only. It begins with the first event and is removed by
 * stop().
 */
export class Progress {
  readonly #screen: ProgressScreen;
  readonly #ticker: Ticker;
  readonly #counter = new ProgressCounter();
  #stopTicking: (() => void) | undefined;
  #measure: MeasureWidth = roughWidth;
  #isLoading = false;
  #isHidden = false;
  #drawn = "";

  constructor(screen: ProgressScreen, ticker: Ticker) {
    this.#screen = screen;
    this.#ticker = ticker;
  }

  add(event: SyncEvent): void {
    this.#counter.add(event);
    this.#stopTicking ??= this.#ticker.every(DRAW_MS, () => this.#draw());
  }

  /** Removes the line, and draws none until `resume`: call it before anything else is written to the terminal. */
  async hide(): Promise<void> {
    this.#isHidden = true;
    await this.#erase();
  }

  resume(): void {
    this.#isHidden = false;
  }

  /** Removes the line until the next event. */
  async stop(): Promise<void> {
    this.#stopTicking?.();
    this.#stopTicking = undefined;
    await this.#erase();
  }

  async #erase(): Promise<void> {
    if (this.#drawn === "") return;
    this.#drawn = "";
    await this.#screen.write("\r\u001b[K");
  }

  #draw(): void {
    if (this.#isHidden) return;
    const state = this.#counter.state(this.#ticker.now());
    const names = state.names.join("");
    if (!this.#isLoading && !isAscii(names)) {
      this.#isLoading = true;
      // If it cannot be loaded, the rough measure stays in use: names are cut a little early.
      loadWidth().then((measure) => this.#measure = measure, () => {});
    }
    // The last column stays free: many terminals wrap as soon as it is filled.
    const line = progressLine(state, { columns: (this.#screen.columns() ?? 80) - 1, measure: this.#measure });
    if (line === this.#drawn) return;
    this.#drawn = line;
    void this.#screen.write(`\r${line}\u001b[K`);
  }
}

/** Returns the line, never wider than `columns`: the most important values first, then as many names as fit. */
export function progressLine(
  state: ProgressState,
  room: { readonly columns: number; readonly measure: MeasureWidth },
): string {
  const { columns, measure } = room;
  let line = "";
  for (const part of progressParts(state)) {
    const longer = line === "" ? part : `${line}  ${part}`;
    if (longer.length > columns) break;
    line = longer;
  }
  if (line === "") return "";
  const left = columns - line.length - 2;
  const names = state.names.map(escapeForTerminal).join(", ");
  return left < NAMES_LEAST || names === "" ? line : `${line}  ${shorten(names, left, measure)}`;
}

const DRAW_MS = 100;
/** The number of columns below which a name is not readable. */
const NAMES_LEAST = 8;
/** The time in ms in which an old rate loses most of its weight. */
const RATE_MS = 3000;
const NAMES_MOST = 4;

function progressParts(state: ProgressState): string[] {
  if (state.phase === "list") return [`Listing: ${formatCount(state.listed)}`];
  const { filesDone, files, bytesDone, bytes, rate, secondsLeft } = state;
  const parts = [`${formatCount(filesDone)}/${formatCount(files)} files`];
  if (bytes > 0) {
    parts[0] = `${Math.min(99, Math.floor(bytesDone / bytes * 100))}%  ${parts[0]}`;
    parts.push(`${formatBytes(bytesDone)} of ${formatBytes(bytes)}`);
  }
  if (rate !== undefined) parts.push(`${formatBytes(rate)}/s`);
  if (secondsLeft !== undefined) parts.push(`${formatClock(secondsLeft)} left`);
  return parts;
}

/** Counts progress from events. Listed entries are counted by side, because each side reports its own number so far. */
class ProgressCounter {
  #listed = new Map<string, number>();
  #phase: ProgressState["phase"] = "list";
  #files = 0;
  #filesDone = 0;
  #bytes = 0;
  #bytesDone = 0;
  #moving = new Map<Action, number>();
  #rate: number | undefined;
  #lastSample: { readonly at: number; readonly bytes: number } | undefined;

  add(event: SyncEvent): void {
    switch (event.type) {
      case "scanned":
        if (this.#phase === "move") this.#reset();
        this.#listed.set(event.side, event.entries);
        return;
      case "planned":
        return this.#startPlan(event.plan);
      case "started":
        this.#moving.set(event.action, 0);
        return;
      case "progress":
        this.#moving.set(event.action, (this.#moving.get(event.action) ?? 0) + event.bytes);
        this.#bytesDone += event.bytes;
        return;
      case "done":
        return this.#finish(event.action, bytesOf(event.action));
      case "failed":
      case "held":
        this.#bytes -= bytesOf(event.action);
        return this.#finish(event.action, 0);
      case "noted":
        return this.#finishVanished(event.note);
      default:
        return event satisfies never;
    }
  }

  state(now: number): ProgressState {
    this.#measureRate(now);
    const left = this.#bytes - this.#bytesDone;
    const names = this.#moving.keys().take(NAMES_MOST).map((action) => action.path).toArray();
    return {
      phase: this.#phase,
      listed: [...this.#listed.values()].reduce((sum, count) => sum + count, 0),
      filesDone: this.#filesDone,
      files: this.#files,
      bytesDone: Math.max(0, Math.min(this.#bytesDone, this.#bytes)),
      bytes: this.#bytes,
      rate: this.#rate,
      secondsLeft: this.#rate === undefined || this.#rate < 1 || left <= 0 ? undefined : left / this.#rate,
      names,
    };
  }

  #startPlan(plan: Plan): void {
    this.#reset();
    this.#phase = "move";
    this.#files = plan.actions.filter((action) => !isDirectory(action)).length;
    this.#bytes = plan.actions.reduce((sum, action) => sum + bytesOf(action), 0);
  }

  /** Ends an action. `bytes`: the bytes it adds in the end, whatever its progress reported. */
  #finish(action: Action, bytes: number): void {
    this.#bytesDone += bytes - (this.#moving.get(action) ?? 0);
    this.#moving.delete(action);
    if (!isDirectory(action)) this.#filesDone += 1;
  }

  /** Ends the action of a source that vanished, because no other event does. */
  #finishVanished({ code, path }: Note): void {
    if (code !== "vanished") return;
    for (const action of this.#moving.keys()) {
      if (action.do !== "copy" || action.source.path !== path) continue;
      this.#bytes -= bytesOf(action);
      this.#finish(action, 0);
      return;
    }
  }

  #measureRate(now: number): void {
    const before = this.#lastSample;
    if (this.#phase === "list") return;
    this.#lastSample = { at: now, bytes: this.#bytesDone };
    if (before === undefined || now <= before.at) return;
    const current = Math.max(0, this.#bytesDone - before.bytes) / (now - before.at) * 1000;
    const weight = 1 - Math.exp((before.at - now) / RATE_MS);
    this.#rate = this.#rate === undefined ? current || undefined : this.#rate + (current - this.#rate) * weight;
  }

  #reset(): void {
    this.#phase = "list";
    this.#listed = new Map();
    this.#moving = new Map();
    this.#files =
      this.#filesDone =
      this.#bytes =
      this.#bytesDone =
        0;
    this.#rate = this.#lastSample = undefined;
  }
}

function bytesOf(action: Action): number {
  return action.do === "copy" && action.source.kind === "file" ? action.source.size : 0;
}
