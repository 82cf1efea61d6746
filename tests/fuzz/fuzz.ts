import { mutated, randomFrom } from "./mutate.ts";
import { FuzzFault, type FuzzTarget } from "./target.ts";

/** `goesOn` is asked before each input, with how many were tried; `watch` sees each one before the parser does. */
export interface FuzzOptions {
  readonly seed: number;
  goesOn(tried: number): boolean;
  watch?(input: Uint8Array<ArrayBuffer>): void;
}

/** How many inputs were tried, and how many of them led to an outcome not seen before. */
export interface Fuzzed {
  readonly tried: number;
  readonly outcomes: number;
}

/** Most inputs; one in two hundred is stretched to STRETCHED. */
const LONGEST = 8_192;
const STRETCHED = 512 * 1024;
/** A parser that takes longer for STRETCHED bytes does more than read them once: the slowest honest one takes a tenth. */
const SLOW_MS = 4_000;
const MOST_KEPT = 3_000;
/** Outcomes that are told apart; more would take the memory that the parser may use. */
const MOST_SEEN = 300_000;

/**
 * Mutates inputs and keeps those that lead to a new outcome: another error, or a result of another shape. Rejects with FuzzFault when the
 * parser throws what it must not, breaks an invariant of its target, or takes too long.
 */
export async function fuzz(target: FuzzTarget, { seed, goesOn, watch }: FuzzOptions): Promise<Fuzzed> {
  const random = randomFrom(seed);
  const encoder = new TextEncoder();
  const corpus = target.seeds.map((text) => encoder.encode(text));
  const tokens = target.tokens.map((text) => encoder.encode(text));
  const seen = new Set<number>();
  for (const input of corpus) seen.add(await outcomeOf(target, input));
  let tried = 0;
  for (; goesOn(tried); tried++) {
    const input = mutated({ random, corpus, tokens }, random() < 0.01 ? STRETCHED : LONGEST);
    watch?.(input);
    const outcome = await outcomeOf(target, input);
    if (seen.has(outcome) || seen.size >= MOST_SEEN) continue;
    seen.add(outcome);
    if (input.length <= LONGEST && corpus.length < MOST_KEPT) corpus.push(input);
  }
  return { tried, outcomes: seen.size };
}

/** A number for the outcome, which stands for it: FNV-1a of its text. */
async function outcomeOf(target: FuzzTarget, input: Uint8Array<ArrayBuffer>): Promise<number> {
  const start = performance.now();
  const outcome = await tried(target, input);
  const ms = performance.now() - start;
  if (ms <= SLOW_MS) return hashOf(outcome);
  throw new FuzzFault(`${target.name}: ${input.length} bytes took ${Math.round(ms)} ms`, input);
}

async function tried(target: FuzzTarget, input: Uint8Array<ArrayBuffer>): Promise<string> {
  try {
    return shapeOf(await target.run(input), 4);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (!target.expects(error)) throw new FuzzFault(`${target.name}: ${message}`, input, error);
    return `refused: ${message.replace(/"[^"]*"|\d+/g, "").slice(0, 80)}`;
  }
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** The structure of a value, without its details. */
function shapeOf(value: unknown, depth: number): string {
  if (typeof value === "string") return value.length < 9 ? value : "s";
  if (typeof value === "number") return Number.isInteger(value) ? "n" : "f";
  if (typeof value !== "object" || value === null) return String(value).slice(0, 10);
  if (depth === 0) return "…";
  if (Array.isArray(value)) {
    const shapes = new Set(value.slice(0, 50).map((one) => shapeOf(one, depth - 1)));
    return `[${Math.ceil(Math.log2(value.length + 1))}:${[...shapes].join()}]`;
  }
  if (value instanceof Uint8Array) return `b${Math.ceil(Math.log2(value.length + 1))}`;
  const fields = Object.entries(value).map(([name, held]) => `${name.slice(0, 20)}=${shapeOf(held, depth - 1)}`);
  return `{${fields.slice(0, 30).join()}}`;
}
