import type { Backend } from "../../lib/core/backend.ts";

/** What to do differently; each method gets the backend it stands in front of. `undefined` takes an optional method away. */
export type Overrides = {
  readonly [K in keyof Backend]?: Backend[K] extends ((...args: infer A) => infer R) | undefined
    ? ((inner: Backend, ...args: A) => R) | undefined
    : Backend[K];
};

/** The backend with some of its methods or properties replaced. */
export function withOverrides(inner: Backend, changes: Overrides): Backend {
  return new Proxy(inner, {
    get(target, key) {
      if (!Object.hasOwn(changes, key)) {
        const own = Reflect.get(target, key, target);
        return typeof own === "function" ? own.bind(target) : own;
      }
      const change = Reflect.get(changes, key);
      return typeof change === "function" ? change.bind(undefined, target) : change;
    },
  });
}
