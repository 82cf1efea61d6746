import { badInput, SyncError } from "../../core/errors.ts";
import { fold, type Slot } from "./names.ts";
import { forParam } from "./values.ts";

/**
 * What one piped object gives to the parameters the command line left open: the object itself to the first "value" parameter whose type
 * takes it (then nothing else), or else its properties by name, case-blind, $null ones left out. Throws badInput InputObjectNotBound when it gives
 * nothing, CannotConvertArgument when a property has a wrong value.
 */
export function fromObject(command: string, open: readonly Slot[], object: unknown): Readonly<Record<string, unknown>> {
  for (const slot of open) {
    if (slot.param.fromPipe !== "value") continue;
    const taken = tryConvert(slot, object);
    if (taken !== undefined) return { [slot.name]: taken.value };
  }
  const given: Record<string, unknown> = {};
  for (const slot of open) {
    const value = propertyOf(object, slot);
    if (value !== undefined) given[slot.name] = forParam(slot.name, () => slot.param.type.convert(value));
  }
  if (Object.keys(given).length > 0) return given;
  const wanted = open.map((slot) => `-${slot.name}`).join(", ");
  throw badInput(
    `${command} can do nothing with ${describe(object)} from the pipe. ` +
      (wanted === "" ? "It takes no input here." : `It takes ${wanted.slice(0, 300)}.`),
    "InputObjectNotBound",
  );
}

/** Not being of this type is no error here: the object may bring properties instead. */
function tryConvert(slot: Slot, object: unknown): { readonly value: unknown } | undefined {
  if (object === null || object === undefined) return undefined;
  try {
    return { value: slot.param.type.convert(object) };
  } catch (error) {
    if (error instanceof SyncError && error.kind === "badInput") return undefined;
    throw error;
  }
}

function propertyOf(object: unknown, slot: Slot): unknown {
  if (typeof object !== "object" || object === null || Array.isArray(object)) return undefined;
  const names = [slot.name, ...(slot.param.aliases ?? [])].map(fold);
  for (const [key, value] of Object.entries(object)) {
    if (value !== null && value !== undefined && names.includes(fold(key))) return value;
  }
  return undefined;
}

function describe(object: unknown): string {
  if (object === null || object === undefined) return "$null";
  if (Array.isArray(object)) return "a list";
  if (typeof object !== "object") return `a ${typeof object}`;
  const type: unknown = "Type" in object ? object.Type : undefined;
  return typeof type === "string" && /^\w{1,40}$/.test(type) ? `an object of type ${type}` : "an object";
}
