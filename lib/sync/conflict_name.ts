import { nameOf, parentOf, type RelPath } from "../core/path.ts";

/** The host that kept a conflict copy and the time (ms since the epoch). The copy's name contains both. */
export interface ConflictStamp {
  readonly host: string;
  readonly now: number;
}

/**
 * Returns the name under which the local version of a conflict is kept: `name (conflict HOST 2026-11-21 103205).ext`,
 * the time in UTC, in the same folder, at most 255 bytes, without characters that Windows refuses unless the name had
 * them. `attempt` counts from 0 until a name is free.
 */
export function toConflictName(path: RelPath, { host, now }: ConflictStamp, attempt: number): RelPath {
  const name = nameOf(path);
  const dot = name.lastIndexOf(".");
  const cut = dot > 0 && name.length - dot <= MAX_EXTENSION ? dot : name.length;
  const time = new Date(now).toISOString().slice(0, 19).replace("T", " ").replaceAll(":", "");
  const hostName = host.replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 32);
  const count = attempt === 0 ? "" : ` ${attempt + 1}`;
  const end = ` (conflict ${hostName} ${time}${count})${name.slice(cut)}`;
  const stem = shorten(name.slice(0, cut), MAX_BYTES - bytesOf(end));
  const dir = parentOf(path);
  return (dir === "" ? stem + end : `${dir}/${stem}${end}`) as RelPath;
}

const MAX_BYTES = 255;
const MAX_EXTENSION = 32;

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Removes whole code points from the end until the text fits. */
function shorten(text: string, maxBytes: number): string {
  const points = [...text];
  while (bytesOf(points.join("")) > maxBytes) points.pop();
  return points.join("");
}
