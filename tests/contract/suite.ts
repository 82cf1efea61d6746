import assert from "node:assert/strict";
import { doubtCases } from "./cases_doubt.ts";
import { lifeCases } from "./cases_life.ts";
import { listCases } from "./cases_list.ts";
import { nameCases } from "./cases_names.ts";
import { optionalCases } from "./cases_optional.ts";
import { readCases } from "./cases_read.ts";
import { removeCases } from "./cases_remove.ts";
import { checked } from "./checked.ts";
import { type Case, type Fixture, type FreshOptions, type Means, optionalMethods, withDeadline } from "./assertions.ts";
import { writeCases } from "./cases_write.ts";

/** A backend rooted at an empty folder that exists, and what its test's server can be made to do. */
export interface Fresh extends Fixture, AsyncDisposable {}

export interface Conformance {
  readonly name: string;
  fresh(options?: FreshOptions): Promise<Fresh>;
  /** Cases that this backend cannot pass, with the reason. They are run all the same, and fail when they pass. */
  readonly known?: Readonly<Record<string, string>>;
  /** The optional methods this backend has not. Compared with the truth. */
  readonly lacks?: readonly (typeof optionalMethods)[number][];
  /** The means that fresh() gives besides the backend, so that the cases that need them are registered. "silence": only if it opens with the -Timeout in its options. */
  readonly gives?: readonly Means[];
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
  ...doubtCases,
];

/** Registers one test a case. A case whose optional method is in `lacks`, or whose means are not in `gives`, is reported as ignored. */
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
      run(conformance, {
        run({ backend }) {
          const absent = optionalMethods.filter((method) => backend[method] === undefined);
          assert.deepEqual(absent, optionalMethods.filter((method) => lacks.includes(method)));
          return Promise.resolve();
        },
      }),
  });
}

/** Runs every case that applies, and returns why the others failed, by their names: what registered tests would report. */
export async function failuresOf(conformance: Conformance): Promise<ReadonlyMap<string, Error>> {
  const failures = new Map<string, Error>();
  for (const one of cases) {
    if (!applies(conformance, one)) continue;
    const isKnown = conformance.known?.[one.name] !== undefined;
    await (isKnown ? assertFails(conformance, one) : run(conformance, one)).catch((error) =>
      failures.set(one.name, error)
    );
  }
  return failures;
}

function applies({ lacks = [], gives = [] }: Conformance, { method, needs }: Case): boolean {
  return (method === undefined || !lacks.includes(method)) && (needs === undefined || gives.includes(needs));
}

function register(conformance: Conformance, one: Case, reason: string | undefined): void {
  const name = `${conformance.name}: ${one.name}${reason === undefined ? "" : ` (known: ${reason})`}`;
  const leaks = reason === undefined;
  Deno.test({
    name,
    ignore: conformance.ignore === true || !applies(conformance, one),
    sanitizeOps: leaks,
    sanitizeResources: leaks,
    fn: () => reason === undefined ? run(conformance, one) : assertFails(conformance, one),
  });
}

async function run(conformance: Conformance, { run, timeout }: Pick<Case, "run" | "timeout">): Promise<void> {
  await using fresh = await conformance.fresh(timeout === undefined ? {} : { timeout });
  await withDeadline(conformance.deadline ?? 60_000, run({ ...fresh, backend: checked(fresh.backend) }));
}

async function assertFails(conformance: Conformance, one: Case): Promise<void> {
  let passed = true;
  try {
    await run(conformance, one);
  } catch {
    passed = false;
  }
  assert.ok(!passed, `"${one.name}" passes now: take it out of known`);
}
