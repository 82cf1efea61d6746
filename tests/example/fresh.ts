import { root } from "../../lib/core/path.ts";
import type { Conformance, Fresh } from "../contract/suite.ts";
import { call } from "../contract/assertions.ts";
import { testTarget } from "../support/targets/test_target.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { openExample } from "./mod.ts";
import { ExampleStore } from "./server.ts";

/** The example protocol as the contract suite runs it. */
export const exampleConformance: Conformance = {
  name: "example",
  lacks: ["rename", "copy", "hardLink", "makeLink", "setModified", "setMode", "flush", "checksum", "walk"],
  gives: ["cut", "silence", "busy", "keepShort", "listNames"],
  known: {
    "write() takes over no leftover that is longer than the source": "nothing is written under a temporary name",
  },
  fresh: (options) => freshExample(options),
};

/** A server of its own and a backend behind a proxy; the store is returned too. */
export async function freshExample(
  { timeout = 10_000 }: { readonly timeout?: number } = {},
): Promise<Fresh & { readonly store: ExampleStore }> {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(new ExampleStore({ password: PASSWORD }));
  const address = { scheme: "example", path: "/folder" };
  const options = { Timeout: String(timeout) };
  const open = (port: number) => openExample(testTarget({ ...address, port }, { options, password: PASSWORD }), call);
  const proxied = stack.use(await throughProxy(store.port, open));
  await proxied.backend.makeDir(root, call);
  const life = stack.move();
  return {
    backend: proxied.backend,
    store,
    secret: PASSWORD,
    cut: () => proxied.cut(),
    silence: () => proxied.silence(),
    busy: () => void (store.isBusy = true),
    keepShort: () => void (store.keptBytes = 1000),
    listNames: (names) => void (store.extraNames = names),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

const PASSWORD = "Canary-4711";
