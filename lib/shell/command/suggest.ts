import { redactAddress } from "../../core/address.ts";
import { printable } from "../../core/path.ts";

export { nearest } from "../../core/closest_match.ts";

/**
 * Returns a user's word for a message: quoted, printable, at most `max` characters, without the login of an address.
 */
export function quoted(text: string, max = 60): string {
  const shown = printable(redactAddress(text.slice(0, 2000)));
  return `"${shown.length > max ? shown.slice(0, max - 1) + "…" : shown}"`;
}

/** Returns a list for a message: `a, b, c`, at most `max` names, then the number of further ones. */
export function listed(names: readonly string[], max = 12): string {
  if (names.length <= max) return names.join(", ");
  return `${names.slice(0, max).join(", ")} and ${names.length - max} more`;
}
