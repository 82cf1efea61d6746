import type { Mutant } from "./list.ts";

const choice = "tests/unit/net/proxy_choice_test.ts";
const tunnel = "tests/unit/net/proxy_test.ts";
const forwarding = "tests/unit/http/forwarding_test.ts";

/** Sabotages of proxies: which is chosen, who gets its user, whether one over TLS is verified. */
export const mutantsOfNet: readonly Mutant[] = [
  {
    name: "proxies: a header of a web request chooses the proxy of a CGI program",
    file: "lib/net/proxy.ts",
    old: '...(isCgi ? [] : ["HTTP_PROXY"])',
    new: '...(isCgi ? ["HTTP_PROXY"] : ["HTTP_PROXY"])',
    tests: [choice],
  },
  {
    name: "proxies: this machine is reached through the proxy of the environment",
    file: "lib/net/proxy_choice.ts",
    old: "(isLoopback(destination.host) || isExempt(context, destination))",
    new: "isExempt(context, destination)",
    tests: [choice],
  },
  {
    name: "proxies: NO_PROXY names what merely ends with its letters",
    file: "lib/net/proxy_choice.ts",
    old: "host.endsWith(`.${suffix}`)",
    new: "host.endsWith(suffix)",
    tests: [choice],
  },
  {
    name: "proxies: a message shows the user and the password of the address",
    file: "lib/net/proxy_choice.ts",
    old: "label: proxyLabel(address)",
    new: "label: proxyLabel(address, `${user}:${password?.()}@`)",
    tests: [tunnel],
  },
  {
    name: "proxies: what the server said first is lost with the proxy's answer",
    file: "lib/net/proxy_handshake.ts",
    old: "        into.set(part);",
    new: "        into.set(part.map(() => 0));",
    tests: [tunnel],
  },
  {
    name: "proxies: one that passes on requests gets a user that it never asked for",
    file: "lib/http/forwarding.ts",
    old: "      const sent = this.#authorization;",
    new: "      const sent = this.#authorization ??= await this.#proxy.authorize(undefined);",
    tests: [forwarding],
  },
  {
    name: "proxies: a cache of the proxy may answer",
    file: "lib/http/forwarding.ts",
    old: '{ "cache-control": "no-cache" }',
    new: "{}",
    tests: [forwarding],
  },
];
