import assert from "node:assert/strict";
import type { Backend } from "../../lib/core/backend.ts";
import { lifeCases } from "./cases_life.ts";
import { listCases } from "./cases_list.ts";
import { nameCases } from "./cases_names.ts";
import { optionalCases } from "./cases_optional.ts";
import { readCases } from "./cases_read.ts";
import { removeCases } from "./cases_remove.ts";
import { type Case, type Fixture, optionalMethods, withDeadline } from "./assertions.ts";
import { writeCases } from "./cases_write.ts";

/** A backend rooted at an empty folder that exists. */
export interface Fresh extends AsyncDisposable {
  readonly backend: Backend;
  /** Cuts the link for good; cases that need it are skipped without. */
  cut?(): void | Promise<void>;
  /** The root as a folder of this machine's disk, so that cases can plant links, pipes and odd names there. */
  readonly disk?: string;
  /** A secret this backend was opened with; it may stand in no label. */
  readonly secret?: string;
}

export interface Conformance {
  readonly name: string;
  fresh(): Promise<Fresh>;
  /** Cases that this backend cannot pass, with the reason. They are run all the same, and fail when they pass. */
  readonly known?: Readonly<Record<string, string>>;
  /** The optional methods this backend has not. Compared with the truth. */
  readonly lacks?: readonly (typeof optionalMethods)[number][];
  /** What a fresh() gives besides the backend, so that the cases that need it are registered. */
  readonly gives?: readonly ("cut" | "disk")[];
  /** The server is missing: every case is reported as ignored. */
  readonly ignore?: boolean;
  /** ms that one case may take. */
  readonly deadline?: number;
}

/** Every case, for those who want to count or name them. */
export const cases: readonly Case[] = [
  ...listCases,
  ...readCases,
  ...writeCases,
  ...removeCases,
  ...nameCases,
  ...optionalCases,
  ...lifeCases,
];

/** Registers one test a case. A case whose optional method is in `lacks`, or whose cut or disk is not in `gives`, is reported as ignored. */
export function conform(conformance: Conformance): void {
  const { known = {}, lacks = [] } = conformance;
  const names = new Set(cases.map((one) => one.name));
  assert.equal(names.size, cases.length, "two cases have one name");
  for (const name of Object.keys(known)) assert.ok(names.has(name), `known names no case: "${name}"`);
  for (const one of cases) register(conformance, one, known[one.name]);
  Deno.test({
    name: `${conformance.name}: has exactly the optional methods it declares`,
    ignore: conformance.ignore ?? false,
    fn: () =>
      run(conformance, ({ backend }) => {
        const absent = optionalMethods.filter((method) => backend[method] === undefined);
        assert.deepEqual(absent, optionalMethods.filter((method) => lacks.includes(method)));
        return Promise.resolve();
      }),
  });
}

function register(conformance: Conformance, one: Case, reason: string | undefined): void {
  const { ignore = false, lacks = [], gives = [] } = conformance;
  const unmet = one.method !== undefined && lacks.includes(one.method) ||
    one.needs !== undefined && !gives.includes(one.needs);
  const name = `${conformance.name}: ${one.name}${reason === undefined ? "" : ` (known: ${reason})`}`;
  const leaks = reason === undefined;
  Deno.test({
    name,
    ignore: ignore || unmet,
    sanitizeOps: leaks,
    sanitizeResources: leaks,
    fn: () => reason === undefined ? run(conformance, one.run) : assertFails(conformance, one),
  });
}

async function run(conformance: Conformance, work: (rig: Fixture) => Promise<void>): Promise<void> {
  await using fresh = await conformance.fresh();
  await withDeadline(conformance.deadline ?? 60_000, work({ ...fresh, backend: fresh.backend }));
}

async function assertFails(conformance: Conformance, one: Case): Promise<void> {
  let passed = true;
  try {
    await run(conformance, one.run);
  } catch {
    passed = false;
  }
  assert.ok(!passed, `"${one.name}" passes now: take it out of known`);
}
