import assert from "node:assert/strict";
import type { Backend } from "../../lib/core/backend.ts";
import { type CallHandlers, decorate, type Operation } from "../../lib/backends/layers/decorator.ts";
import { mutating } from "./planning/operations.ts";

/** Fails when something is removed: the call rejects with an AssertionError, and so does dispose. */
export function noRemove(inner: Backend): Backend {
  return observe(inner, (operation, path) => operation === "remove" ? `"${path}" was to be removed` : undefined);
}

/** Fails when anything is changed, for -WhatIf and second runs. */
export function noWrite(inner: Backend): Backend {
  return observe(inner, (operation, path) => mutating.includes(operation) ? `${operation} of "${path}"` : undefined);
}

/** Fails when one folder is listed twice. */
export function listOnce(inner: Backend): Backend {
  const seen = new Set<string>();
  return observe(inner, (operation, path) => {
    if (operation !== "list" && operation !== "walk") return undefined;
    const key = `${operation} ${path}`;
    if (seen.has(key)) return `"${path}" was listed twice`;
    seen.add(key);
    return undefined;
  });
}

/** Fails when more than `limit` calls are at work at once. */
export function atMost(limit: number, inner: Backend): Backend {
  let active = 0;
  return observe(inner, (operation) => {
    active++;
    return active > limit ? `${operation} was the call number ${active} at once` : undefined;
  }, () => void active--);
}

/** The calls that were made, as "operation path", in order of their beginning. */
export function recorded(inner: Backend): { readonly backend: Backend; readonly calls: readonly string[] } {
  const calls: string[] = [];
  const backend = observe(inner, (operation, path) => void calls.push(`${operation} ${path}`));
  return { backend, calls };
}

/** `why` is asked before each call and tells what is wrong with it; `ended` is called after each. */
function observe(
  inner: Backend,
  why: (operation: Operation, path: string) => string | undefined | void,
  ended: () => void = () => {},
): Backend {
  const violations: string[] = [];
  const judge = (operation: Operation, path: string) => {
    const violation = why(operation, path);
    if (violation === undefined) return;
    violations.push(violation);
    assert.fail(violation);
  };
  const around: CallHandlers = {
    call: async ({ operation, path, run }) => {
      try {
        judge(operation, path);
        return await run();
      } finally {
        ended();
      }
    },
    walk: async function* ({ operation, path, run }) {
      try {
        judge(operation, path);
        yield* run();
      } finally {
        ended();
      }
    },
  };
  return {
    ...decorate(inner, around),
    async [Symbol.asyncDispose]() {
      await inner[Symbol.asyncDispose]();
      assert.deepEqual(violations, []);
    },
  };
}
