import type { SyncError } from "../../../lib/core/errors.ts";
import { toRelPath } from "../../../lib/core/path.ts";
import type { FileEntry } from "../../../lib/core/entry.ts";
import type { Action, Plan, Run, SyncEvent } from "../../../lib/core/plan.ts";

/** Noon of a day, in ms. */
export const noon = Date.UTC(2026, 10, 21, 12, 0, 0);

export const run: Run = {
  session: "sftp://deploy@web1",
  localPath: "/home/me/site",
  remotePath: "/var/www",
  mode: "Remote",
  whatIf: false,
};

export function file(path: string, size = 3, modified = noon): FileEntry {
  return { kind: "file", path: toRelPath(path), size, modified };
}

export function upload(path: string, size = 3): Action & { readonly do: "copy" } {
  return { do: "copy", to: "remote", path: toRelPath(path), why: "new", source: file(path, size) };
}

export function download(path: string, size = 3): Action & { readonly do: "copy" } {
  return { do: "copy", to: "local", path: toRelPath(path), why: "new", source: file(path, size) };
}

export function removal(path: string): Action & { readonly do: "remove" } {
  return { do: "remove", to: "remote", path: toRelPath(path), why: "gone", target: file(path) };
}

export function makeDir(path: string): Action & { readonly do: "makeDir" } {
  return { do: "makeDir", to: "remote", path: toRelPath(path), why: "new" };
}

export function planned(plan: Partial<Plan>): SyncEvent {
  const empty: Plan = {
    actions: [],
    conflicts: [],
    refusals: [],
    heldRemovals: [],
    notes: [],
    historyUpdates: [],
    undecided: [],
  };
  return { type: "planned", plan: { ...empty, ...plan } };
}

export function done(action: Action, warnings?: readonly string[]): SyncEvent {
  return { type: "done", action, ...(warnings === undefined ? {} : { warnings }) };
}

export function failed(action: Action, error: SyncError): SyncEvent {
  return { type: "failed", action, error };
}
