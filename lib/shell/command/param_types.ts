import { badInput, SyncError } from "../../core/errors.ts";
import type { ParamType } from "./command.ts";
import { closestMatch, formatList, quote } from "./suggest.ts";

/** A secret in the form that commands receive: fetched late, never printed. JSON and console show ***. */
export type Secret = () => Promise<string>;

/** A percentage or a count: "50%" as `{ share: 0.5 }`, "10" as `{ count: 10 }`. */
export type CountOrPercent = { readonly share: number } | { readonly count: number };

/**
 * Returns the error of every type: the wrong value and the expected format. The binder prepends the parameter's name.
 */
export function conversionError(message: string): SyncError {
  return badInput(message, "CannotConvertArgument");
}

/** One text. An empty one is rejected: it is almost always an unset variable of the calling shell. */
export const text: ParamType<string> = {
  name: "text",
  convert(value) {
    const word = toText(value, "text");
    if (word === "") {
      throw conversionError("the value is empty; leave the parameter out, or check the variable it came from");
    }
    return word;
  },
};

/** A path or an address, as written: it is not decoded or resolved here. */
export const path: ParamType<string> = {
  name: "path",
  convert(value) {
    const word = toText(value, "a path");
    if (word === "") throw conversionError('the path is empty; write "." for the current folder');
    if (word.includes("\0")) throw conversionError("a path cannot hold a NUL character");
    return word;
  },
};

/** A boolean: -Name alone is true; $true, $false, true, false, 1 and 0 after a colon. */
export const toggle: ParamType<boolean> = {
  name: "switch",
  isSwitch: true,
  convert(value) {
    if (typeof value === "boolean") return value;
    const word = toText(value, "$true or $false");
    const known = BOOLEAN_WORDS.get(word.toLowerCase());
    if (known === undefined) throw conversionError(`${quote(word)} is neither on nor off; write $true or $false`);
    return known;
  },
};

/** Returns the type of a fixed set of values, case-insensitive; an unambiguous abbreviation is accepted. */
export function oneOf<const V extends readonly string[]>(...values: V): ParamType<V[number]> {
  return {
    name: values.join("|"),
    values,
    convert(value) {
      const word = toText(value, `one of ${formatList(values)}`);
      const folded = word.toLowerCase();
      const exact = values.find((one) => one.toLowerCase() === folded);
      if (exact !== undefined) return exact;
      const candidates = folded === "" ? [] : values.filter((one) => one.toLowerCase().startsWith(folded));
      if (candidates.length === 1 && candidates[0] !== undefined) return candidates[0];
      if (candidates.length > 1) {
        throw conversionError(`${quote(word)} could be ${candidates.join(" or ")}; write more of it`);
      }
      const near = closestMatch(word, values);
      const hint = near === undefined ? "" : `; did you mean ${near}?`;
      throw conversionError(`${quote(word)} is none of ${formatList(values, 20)}${hint}`);
    },
  };
}

/** Returns the type of a list: an array, or `a,b` on the command line. */
export function listOf<T>(type: ParamType<T>): ParamType<readonly T[]> {
  return {
    name: `${type.name}[]`,
    isList: true,
    ...(type.values === undefined ? {} : { values: type.values }),
    ...(type.isSecret === undefined ? {} : { isSecret: type.isSecret }),
    convert: (value) => (Array.isArray(value) ? value : [value]).map((one) => type.convert(one)),
  };
}

/** Returns the type of an integer from min to max, both included. */
export function number(min: number, max: number): ParamType<number> {
  const wanted = max >= Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`;
  return {
    name: "number",
    convert(value) {
      const word = toText(value, wanted).trim();
      const number = /^[+-]?\d{1,16}$/.test(word) ? Number(word) : NaN;
      if (number >= min && number <= max) return number;
      throw conversionError(`${quote(word)} is not ${wanted}`);
    },
  };
}

/** Bytes: 4096, 10K, 1.5M, 1G, 1GiB; units are powers of 1024. */
export const size: ParamType<number> = {
  name: "size",
  convert(value) {
    const word = toText(value, "a size").trim();
    const parts = /^(\d{1,15}(?:\.\d{1,9})?)\s*([KMGT]?)(?:i?B)?$/i.exec(word);
    const bytes = Math.round(Number(parts?.[1] ?? NaN) * 1024 ** " KMGT".indexOf((parts?.[2] || " ").toUpperCase()));
    if (Number.isSafeInteger(bytes)) return bytes;
    throw conversionError(`${quote(word)} is no size; write 4096, 10K, 1.5M or 1G`);
  },
};

/**
 * Milliseconds. A word without a unit is in seconds; 500ms, 10s, 5m, 2h, 1d and hh:mm:ss too. A number, as programs
 * pass it, is in milliseconds.
 */
export const duration: ParamType<number> = { name: "duration", convert: (value) => toMilliseconds(value, 0) };

/** A duration that cannot be 0. */
export const positiveDuration: ParamType<number> = { name: "duration", convert: (value) => toMilliseconds(value, 1) };

/** A percentage or a count: 50% or 10. */
export const countOrPercent: ParamType<CountOrPercent> = {
  name: "N|P%",
  convert(value) {
    if (isCountOrPercent(value)) return value;
    const word = toText(value, "a count or a percentage").trim();
    const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(word);
    if (percent !== null && Number(percent[1]) <= 100) return { share: Number(percent[1]) / 100 };
    if (/^\d{1,15}$/.test(word)) return { count: Number(word) };
    throw conversionError(`${quote(word)} is neither a count nor a percentage; write 10 or 50%`);
  },
};

/** A text that is never shown, or a function that returns one. */
export const secret: ParamType<Secret> = {
  name: "secret",
  isSecret: true,
  convert(value) {
    if (typeof value === "string") return concealedSecret(() => value);
    if (typeof value === "function") return concealedSecret(value as () => unknown);
    throw conversionError("expected text or a secure string; the value given is neither");
  },
};

/** Fingerprints of host keys or certificates: several in one text with ";", or a list. */
export const fingerprints: ParamType<readonly string[]> = {
  name: "fingerprint[]",
  isList: true,
  convert(value) {
    const words = (Array.isArray(value) ? value : [value]).flatMap((one) => toText(one, "a fingerprint").split(";"));
    const pins = words.map((word) => word.trim()).filter((word) => word !== "");
    if (pins.length === 0) throw conversionError("no fingerprint is given; write SHA256:… as the server shows it");
    const bad = pins.find((pin) => !FINGERPRINT.test(pin));
    if (bad === undefined) return pins;
    const how = "write SHA256: and 43 characters, or hex digits, with colons or without";
    throw conversionError(`${quote(bad)} is no fingerprint; ${how}`);
  },
};

/** Names and values: @{ a = 1 } or an object; on a command line `a=1;b=2` or a JSON object. */
export const hashtable: ParamType<Readonly<Record<string, unknown>>> = {
  name: "hashtable",
  isObject: true,
  convert(value) {
    if (isPlainObject(value)) return value;
    if (typeof value !== "string") throw conversionError("expected a hashtable such as @{ name = 'value' }");
    rejectTypeName(value);
    return value.trimStart().startsWith("{") ? parseJsonObject(value) : parsePairs(value);
  },
};

/** Any object from a variable, a sub-expression or the pipe. */
export const anyObject: ParamType<object> = {
  name: "object",
  isObject: true,
  convert(value) {
    if (typeof value === "object" && value !== null) return value;
    if (typeof value === "string") rejectTypeName(value);
    throw conversionError("expected an object from a variable or the pipe");
  },
};

/** Returns a secret that JSON, inspect and string conversion show as ***. */
export function concealedSecret(reveal: () => unknown): Secret {
  const conceal = () => "***";
  return Object.assign(async () => String(await reveal()), {
    toJSON: conceal,
    toString: conceal,
    [Symbol.for("Deno.customInspect")]: conceal,
    [Symbol.for("nodejs.util.inspect.custom")]: conceal,
  });
}

const BOOLEAN_WORDS: ReadonlyMap<string, boolean> = new Map([
  ["$true", true],
  ["true", true],
  ["1", true],
  ["$false", false],
  ["false", false],
  ["0", false],
]);
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
// [type] [bits] MD5 pairs or SHA-256 in base64 (WinSCP's SessionOptions), a whole key line, or SHA-1 and SHA-256 digits
// of a certificate, in the format of the messages of tls_trust.ts and of openssl.
const FINGERPRINT = new RegExp(
  "^(?:(?:[a-z0-9@.-]+[ -])?(?:\\d+[ -])?(?:(?:MD5:)?[0-9a-f]{2}(?:[:-][0-9a-f]{2}){15}|(?:SHA256[:-])?[a-z0-9+/_-]{43}=?)" +
    "|(?:SHA-?(?:1|256)(?: fingerprint)?[:= -])?[0-9a-f]{2}(?:[: -]?[0-9a-f]{2}){19}(?:(?:[: -]?[0-9a-f]{2}){12})?" +
    "|[a-z0-9@.-]+ [a-z0-9+/]{40,}={0,2}(?: .*)?)$",
  "i",
);

function toText(value: unknown, wanted: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value === null || value === undefined) throw conversionError(`the value is $null; expected ${wanted}`);
  if (Array.isArray(value)) throw conversionError(`expected ${wanted}, not a list of ${value.length}`);
  throw conversionError(`expected ${wanted}, not an object`);
}

function toMilliseconds(value: unknown, min: number): number {
  const ms = typeof value === "number" ? value : parseDuration(toText(value, "a duration").trim());
  if (Number.isSafeInteger(ms) && ms >= min) return ms;
  const shown = quote(String(value));
  if (ms === 0) throw conversionError(`${shown} is no time at all; write at least 1s`);
  throw conversionError(`${shown} is no duration; write 90 (seconds), 500ms, 10s, 5m, 2h or 1d`);
}

function parseDuration(word: string): number {
  const clock = /^(\d{1,4}):([0-5]\d):([0-5]\d)$/.exec(word);
  if (clock !== null) return ((Number(clock[1]) * 60 + Number(clock[2])) * 60 + Number(clock[3])) * 1000;
  const parts = /^(\d{1,12}(?:\.\d{1,9})?)\s*(ms|s|m|h|d)?$/i.exec(word);
  if (parts === null) return NaN;
  return Math.round(Number(parts[1]) * (MILLISECONDS[(parts[2] ?? "s").toLowerCase()] ?? NaN));
}

function isCountOrPercent(value: unknown): value is CountOrPercent {
  if (!isPlainObject(value)) return false;
  const { share, count } = value;
  if (typeof share === "number") return share >= 0 && share <= 1;
  return typeof count === "number" && Number.isSafeInteger(count) && count >= 0;
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Rejects the type name that PowerShell passes to a program in place of an object. */
function rejectTypeName(word: string): void {
  if (!/^System\.[\w.]+(\[\])?$/.test(word)) return;
  throw conversionError(
    `${quote(word)} is a type's name: PowerShell cannot pass an object to a program; use -Command '…'`,
  );
}

function parseJsonObject(word: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(word);
    if (isPlainObject(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw conversionError('the value begins with "{" but is no JSON object');
}

function parsePairs(word: string): Readonly<Record<string, unknown>> {
  const pairs = word.split(";").map((pair) => pair.trim()).filter((pair) => pair !== "");
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf("=");
    if (at < 1) throw conversionError("expected name=value pairs with ; between them");
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  }));
}
