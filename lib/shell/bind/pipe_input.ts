import { badInput, SyncError } from "../../core/errors.ts";
import { foldName, type ParamSlot } from "./names.ts";
import { withParamName } from "./values.ts";

/**
 * Returns the values that one piped object supplies to the parameters left open by the command line: the object itself
 * for the first "value" parameter whose type accepts it (then nothing else), otherwise its properties by name,
 * case-insensitive, without $null ones. Throws badInput InputObjectNotBound if it supplies nothing,
 * CannotConvertArgument if a property has a wrong value.
 */
export function bindPipedObject(
  command: string,
  open: readonly ParamSlot[],
  object: unknown,
): Readonly<Record<string, unknown>> {
  for (const slot of open) {
    if (slot.param.fromPipe !== "value") continue;
    const converted = tryConvert(slot, object);
    if (converted !== undefined) return { [slot.name]: converted.value };
  }
  const values: Record<string, unknown> = {};
  for (const slot of open) {
    const value = propertyOf(object, slot);
    if (value !== undefined) values[slot.name] = withParamName(slot.name, () => slot.param.type.convert(value));
  }
  if (Object.keys(values).length > 0) return values;
  const wanted = open.map((slot) => `-${slot.name}`).join(", ");
  throw badInput(
    `${command} can do nothing with ${describeObject(object)} from the pipe. ` +
      (wanted === "" ? "It takes no input here." : `It takes ${wanted.slice(0, 300)}.`),
    "InputObjectNotBound",
  );
}

/**
 * Converts the object, or returns undefined. An object of another type is no error here: it may supply properties
 * instead.
 */
function tryConvert(slot: ParamSlot, object: unknown): { readonly value: unknown } | undefined {
  if (object === null || object === undefined) return undefined;
  try {
    return { value: slot.param.type.convert(object) };
  } catch (error) {
    if (error instanceof SyncError && error.kind === "badInput") return undefined;
    throw error;
  }
}

function propertyOf(object: unknown, slot: ParamSlot): unknown {
  if (typeof object !== "object" || object === null || Array.isArray(object)) return undefined;
  const names = [slot.name, ...(slot.param.aliases ?? [])].map(foldName);
  for (const [key, value] of Object.entries(object)) {
    if (value !== null && value !== undefined && names.includes(foldName(key))) return value;
  }
  return undefined;
}

function describeObject(object: unknown): string {
  if (object === null || object === undefined) return "$null";
  if (Array.isArray(object)) return "a list";
  if (typeof object !== "object") return `a ${typeof object}`;
  const type: unknown = "Type" in object ? object.Type : undefined;
  return typeof type === "string" && /^\w{1,40}$/.test(type) ? `an object of type ${type}` : "an object";
}
