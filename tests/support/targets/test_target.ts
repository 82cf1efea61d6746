import type { Address, ConnectContext } from "../../../lib/core/protocol.ts";

/** The inputs of a test besides the address. `password`: the one that the user would type. */
export interface TestTargetOptions {
  readonly options?: Readonly<Record<string, string>> | undefined;
  readonly password?: string | undefined;
  /** Other secrets by their names. */
  readonly secrets?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  warn?(message: string): void;
}

/** Returns the context that opens a protocol for a user without a terminal. The host is 127.0.0.1 unless the address has another. */
export function testTarget(
  address: Partial<Address> & Pick<Address, "scheme">,
  { options = {}, password, secrets = {}, env = {}, warn = () => {} }: TestTargetOptions = {},
): ConnectContext {
  return {
    address: { host: "127.0.0.1", path: "", pins: [], ...address },
    options,
    secret: (name) => Promise.resolve(name === "password" ? password : secrets[name]),
    prompt: () => Promise.resolve(undefined),
    keepSecret: () => {},
    hideSecret: () => {},
    warn,
    env: (name) => env[name],
    readOnly: false,
  };
}
