import { redactAddress } from "../../core/address.ts";
import { escapeForDisplay } from "../../core/path.ts";

export { closestMatch } from "../../core/closest_match.ts";

/**
 * Returns a user's word for a message: quoted, printable, at most `max` characters, without the login of an address.
 */
export function quote(text: string, max = 60): string {
  const safe = escapeForDisplay(redactAddress(text.slice(0, 2000)));
  return `"${safe.length > max ? safe.slice(0, max - 1) + "…" : safe}"`;
}

/** Returns a list for a message: `a, b, c`, at most `max` names, then the number of further ones. */
export function formatList(names: readonly string[], max = 12): string {
  if (names.length <= max) return names.join(", ");
  return `${names.slice(0, max).join(", ")} and ${names.length - max} more`;
}
