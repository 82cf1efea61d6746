import type { Traits } from "../../../lib/core/backend.ts";
import { type RelPath, toRelPath } from "../../../lib/core/path.ts";
import { chooseCriteria } from "../../../lib/sync/common/criteria.ts";
import { type PlanOptions, toPlanOptions } from "../../../lib/sync/common/options.ts";
import { plan } from "../../../lib/sync/plan/plan.ts";
import { toSnapshot } from "../../../lib/sync/scan/snapshot.ts";
import type { Checksum, Entry, FileEntry, OpaqueEntry, Side, Snapshot } from "../../../lib/core/entry.ts";
import { ableTraits, toHistory } from "./interpret.ts";
import type { BaseEntry } from "../../../lib/core/history.ts";
import type { Action, Plan } from "../../../lib/core/plan.ts";

/**
 * A file by its facts, `{}` behind a name that ends in "/", a link, something that must not be touched, or a line of the listing that
 * cannot be read.
 */
export type Literal =
  | Partial<Omit<FileEntry, "kind" | "path">>
  | { readonly link: string }
  | { readonly opaque: OpaqueEntry["cause"] | "line" };

export type Listing = Readonly<Record<string, Literal>>;

/** 2026-01-01. Times in tests count from here. */
export const START = Date.UTC(2026, 0, 1);

/** A snapshot from "path" or "folder/" → what is there; folders above a path need not be named (one that is a file too must be). Files hold 5 bytes and are of START by default. */
export function listing(literals: Listing): Snapshot {
  const entries = new Map<string, Entry>();
  for (const name of Object.keys(literals)) {
    const names = name.split("/").slice(0, -1);
    names.forEach((_, i) => {
      const dir = names.slice(0, i + 1).join("/");
      if (literals[dir] === undefined || `${dir}/` in literals) {
        entries.set(`${dir}/`, { kind: "dir", path: toRelPath(dir) });
      }
    });
  }
  for (const [name, literal] of Object.entries(literals)) {
    if (!name.endsWith("/")) entries.set(name, toEntry(name, literal));
  }
  return toSnapshot(entries.values());
}

export interface PlanInput extends Partial<Omit<PlanOptions, "criteria">> {
  readonly mode: PlanOptions["mode"];
  readonly criteria?: string;
  readonly local?: Listing;
  readonly remote?: Listing;
  readonly known?: readonly BaseEntry[];
  readonly traits?: Partial<Traits>;
  readonly localTraits?: Partial<Traits>;
  readonly hidden?: Partial<Record<Side, readonly string[]>>;
}

/** The plan for two literal sides. `traits` are the remote side's; `criteria` as typed by a user, "Time,Checksum". */
export function planFor({ local, remote, known, traits, localTraits, hidden, criteria, ...given }: PlanInput): Plan {
  const hides = (side: Side) => new Set((hidden?.[side] ?? []).map(toRelPath));
  const sides = {
    local: { snapshot: listing(local ?? {}), traits: { ...ableTraits, ...localTraits }, hidden: hides("local") },
    remote: { snapshot: listing(remote ?? {}), traits: { ...ableTraits, ...traits }, hidden: hides("remote") },
  };
  const options = toPlanOptions({ ...given, criteria: chooseCriteria((criteria ?? "Either").split(",")) });
  return plan(sides, known === undefined ? undefined : toHistory(known), options);
}

/** Actions in short: "copy remote a.txt new", "remove local b gone". */
export function summarizeActions(actions: readonly Action[]): readonly string[] {
  return actions.map((action) => `${action.do} ${action.to} ${action.path} ${action.why}`);
}

/** What is refused, in short: "local a.txt exists". */
export function refusalsOf({ refusals }: Plan): readonly string[] {
  return refusals.map(({ side, path, kind }) => `${side} ${path} ${kind}`);
}

/** The codes of the notes, in order. */
export function notesOf({ notes }: Plan): readonly string[] {
  return notes.map(({ code, path }) => path === undefined ? code : `${code} ${path}`);
}

/** History of files that were equal at `modified` START, 5 bytes, and of folders ("name/"). */
export function knownAs(...names: readonly string[]): readonly BaseEntry[] {
  return names.map((name): BaseEntry => {
    if (name.endsWith("/")) return { path: toRelPath(name.slice(0, -1)), kind: "dir" };
    const mark = { size: 5, modified: START };
    return { path: toRelPath(name), kind: "file", local: mark, remote: mark };
  });
}

/** A checksum that stands for a content. */
export function sumOf(content: string): Checksum {
  return `sha256:${content}`;
}

function toEntry(name: string, literal: Literal): Entry {
  if ("opaque" in literal) {
    if (literal.opaque === "line") {
      return { kind: "opaque", path: name as RelPath, cause: "name", why: "a line cannot be read", incomplete: true };
    }
    const why = {
      link: "a link",
      foreign: "its name is that of a leftover of another program",
      hidden: "the server may hide it",
      special: "no regular file",
      unreadable: "cannot be read",
      name: "no valid name",
    }[literal.opaque];
    return { kind: "opaque", path: name as RelPath, cause: literal.opaque, why };
  }
  const path = toRelPath(name);
  if ("link" in literal) return { kind: "link", path, target: literal.link };
  return { kind: "file", path, size: 5, modified: START, ...literal };
}
