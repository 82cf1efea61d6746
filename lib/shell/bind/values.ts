import { badInput, SyncError } from "../../core/errors.ts";
import type { ParamSlot } from "./names.ts";
import { conversionError } from "../command/param_types.ts";

/**
 * A resolved argument. `word`: one of a program's arguments, split at commas by list-typed parameters only. `value`:
 * final; `raw` is the source text of a list, for a parameter that takes one text. `later`: not known before a pipeline
 * has run.
 */
export type ArgumentValue =
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "value"; readonly value: unknown; readonly raw?: string }
  | { readonly kind: "later" };

/** A placeholder for a value that is not known yet. */
const pendingValue: object = Object.freeze({ toJSON: () => "(later)" });

/**
 * Converts the value to the parameter's type. Throws badInput CannotConvertArgument with the parameter's name before
 * the reason.
 */
export function convertValue(slot: ParamSlot, value: ArgumentValue): unknown {
  const { type } = slot.param;
  if (value.kind === "later") return pendingValue;
  return withParamName(slot.name, () => {
    if (value.kind === "word") return type.convert(type.isList === true ? splitList(value.text) : value.text);
    const asText = value.raw !== undefined && type.isList !== true && type.isObject !== true;
    return type.convert(asText ? value.raw : value.value);
  });
}

/** Runs a conversion. The message of its error begins with the parameter's name and has a limited length. */
export function withParamName<T>(name: string, convert: () => T): T {
  try {
    return convert();
  } catch (error) {
    if (!(error instanceof SyncError) || error.kind !== "badInput") throw error;
    const why = error.message.length > 480 ? error.message.slice(0, 479) + "…" : error.message;
    throw badInput(`-${name}: ${why}`, error.facts.id ?? "CannotConvertArgument");
  }
}

/** Whether the word is $true or $false, from a program's caller or a variable. */
export function isBooleanWord(value: ArgumentValue): boolean {
  if (value.kind === "value") return typeof value.value === "boolean";
  return value.kind === "word" && /^:?\$(?:true|false)$/i.test(value.text);
}

function splitList(word: string): readonly string[] {
  const items = word.split(",").map((item) => item.trim());
  if (items.length > 1 && items.includes("")) throw conversionError("a value is missing between or after the commas");
  return items;
}
