import { Buffer } from "node:buffer";
import { SyncError } from "./errors.ts";
import type { Note, Plan, SyncEvent } from "./plan.ts";

/**
 * Hides the secrets of a run in every text that leaves the program: as they are, percent-encoded, in base64 (also inside a longer
 * text such as `user:password`), in hex, also in pairs, and escaped for JSON, XML, C, mail or a terminal. Servers and libraries repeat
 * what they were sent.
 */
export class Redactor {
  readonly #patterns = new Map<string, RegExp>();

  /** Registers a secret. One of fewer than three characters is not hidden: it occurs in too many ordinary words. */
  add(secret: string | undefined): void {
    if (secret === undefined || [...secret].length < SHORTEST || this.#patterns.has(secret)) return;
    // Longest first: a secret that contains another one is hidden whole.
    const known = [...this.#patterns, [secret, secretPattern(secret)] as const];
    known.sort(([a], [b]) => b.length - a.length);
    this.#patterns.clear();
    for (const [one, pattern] of known) this.#patterns.set(one, pattern);
  }

  /** Returns the text with each secret replaced by `[hidden]`. */
  redact(text: string): string {
    let clean = text;
    for (const pattern of this.#patterns.values()) clean = clean.replace(pattern, HIDDEN);
    return clean;
  }

  /** Returns the error with a redacted message; without its cause, if the message held a secret. */
  redactError(error: SyncError): SyncError {
    const message = this.redact(error.message);
    if (message === error.message) return error;
    const { cause: _, ...facts } = error.facts;
    return new SyncError(error.kind, message, facts);
  }

  /** Returns the event with redacted reasons, warnings and errors; its paths and actions stay as they are. */
  redactEvent(event: SyncEvent): SyncEvent {
    if (this.#patterns.size === 0) return event;
    const reason = <T extends { readonly why: string }>(one: T): T => ({ ...one, why: this.redact(one.why) });
    switch (event.type) {
      case "planned": {
        const { plan } = event;
        const { refusals, heldRemovals: held, notes, conflicts } = plan;
        const told: Partial<Plan> = {
          refusals: refusals.map(reason),
          heldRemovals: held.map(reason),
          notes: notes.map(reason),
          conflicts: conflicts.map(reason),
        };
        return { ...event, plan: { ...plan, ...told } };
      }
      case "done":
        if (event.warnings === undefined) return event;
        return { ...event, warnings: event.warnings.map((warning) => this.redact(warning)) };
      case "failed":
        return { ...event, error: this.redactError(event.error) };
      case "held":
        return reason(event);
      case "noted":
        return { ...event, note: this.#redactNote(reason(event.note)) };
      case "scanned":
      case "started":
      case "progress":
        return event;
      default:
        return event satisfies never;
    }
  }

  #redactNote(note: Note): Note {
    return note.error === undefined ? note : { ...note, error: this.redactError(note.error) };
  }
}

const HIDDEN = "[hidden]";
const SHORTEST = 3;
/** A shorter secret may be part of an ordinary word: it is hidden only if it is a separate word. */
const SHORTEST_IN_WORDS = 6;
/** A piece of base64 that is shorter than this occurs by chance. */
const SHORTEST_BASE64 = 6;

function secretPattern(secret: string): RegExp {
  const clear = [...secret].map(characterPattern).join("");
  const word = secret.length < SHORTEST_IN_WORDS ? `(?<![\\p{L}\\p{N}])(?:${clear})(?![\\p{L}\\p{N}])` : clear;
  const bytes = Buffer.from(secret);
  const pairs = [...bytes].map((byte) => hexPattern(byte, 2)).join(BETWEEN_PAIRS);
  const hex = `(?<![0-9a-fA-F])${pairs}(?![0-9a-fA-F])`;
  return new RegExp([word, ...base64Patterns(bytes), hex, octalPattern(bytes)].join("|"), "gu");
}

/** Returns a pattern for one character in each of its encodings; one text may mix them. */
function characterPattern(character: string): string {
  const bytes = [...Buffer.from(character)];
  const spellings = [
    ...ESCAPABLE.has(character) ? [`\\\\*${RegExp.escape(character)}`] : [RegExp.escape(character)],
    bytes.map((byte) => `%(?:25)*${hexPattern(byte, 2)}`).join(""),
    [...Array(character.length).keys()].map((at) => `${BACKSLASHES}u${hexPattern(character.charCodeAt(at), 4)}`).join(
      "",
    ),
    `&#0*${character.codePointAt(0)};`,
    `&#[xX]0*${hexPattern(character.codePointAt(0) ?? 0, 1)};`,
    ...NAMED[character] ?? [],
  ];
  // Python and mail leave what is ASCII as it is.
  if (bytes.length > 1 || character === "=") {
    spellings.push(bytes.map((byte) => `(?:${BACKSLASHES}[xX]|=)${hexPattern(byte, 2)}`).join(""), octalPattern(bytes));
  }
  // UTF-8 that was read as Latin-1, or a character that a peer or a decoder could not read.
  if (bytes.length > 1) {
    spellings.push(bytes.map((byte) => RegExp.escape(String.fromCharCode(byte))).join(""), "[\\ufffd?_]{1,4}");
  }
  return `(?:${spellings.join("|")})`;
}

/** The start of an escape; doubled if one text was put into another. */
const BACKSLASHES = "\\\\+";
const ESCAPABLE = new Set(['"', "'", "\\", "/", "$", "`"]);

const NAMED: Readonly<Record<string, readonly string[]>> = {
  " ": ["\\+"],
  "&": ["&amp;"],
  "<": ["&lt;"],
  ">": ["&gt;"],
  '"': ["&quot;"],
  "'": ["&apos;"],
  "\n": [`${BACKSLASHES}n`],
  "\r": [`${BACKSLASHES}r`],
  "\t": [`${BACKSLASHES}t`],
};

/**
 * Returns the secret in base64 after 0, 1 and 2 other bytes of a group, without the characters shared with adjacent
 * bytes. Standard and URL-safe alphabet (RFC 4648, sections 4 and 5).
 */
function base64Patterns(bytes: Buffer): string[] {
  const pieces = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const end = Math.floor((before + bytes.length) * 8 / 6);
    return encoded.slice(Math.ceil(before * 8 / 6), end);
  });
  return pieces.filter((piece) => piece.length >= SHORTEST_BASE64).map((piece) =>
    `${[...piece].map((letter) => ALPHABETS[letter] ?? letter).join("")}[A-Za-z0-9+/_-]?=*`
  );
}

/** Between the bytes of a dump or of escapes: "63:34", "63 34", "0x63, 0x34", "\\x63\\x34", "=63=34". */
const BETWEEN_PAIRS = `(?:${BACKSLASHES}[xX]|[\\s:,=-]{0,2}(?:0[xX])?)`;

const ALPHABETS: Readonly<Record<string, string>> = { "+": "(?:[+\\-]|%2[bB])", "/": "(?:[/_]|\\\\/|%2[fF])" };

function octalPattern(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => `${BACKSLASHES}${byte.toString(8).padStart(3, "0")}`).join("");
}

function hexPattern(value: number, digits: number): string {
  return [...value.toString(16).padStart(digits, "0")].map(eitherCase).join("");
}

function eitherCase(digit: string): string {
  return /[a-f]/.test(digit) ? `[${digit}${digit.toUpperCase()}]` : digit;
}
