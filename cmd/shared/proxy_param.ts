import { formatProxy, type ParsedProxy, parseProxy } from "../../lib/core/proxy.ts";
import type { CommandContext, ParamType } from "../../lib/shell/command/command.ts";
import { conversionError } from "../../lib/shell/command/param_types.ts";

/** The proxy of -Proxy; "none" for no proxy, whatever the environment says. */
export type ProxyChoice = ParsedProxy | "none";

/** The value of -Proxy. It may hold a password, and is never shown. */
export const proxyChoice: ParamType<ProxyChoice> = {
  name: "proxy",
  isSecret: true,
  convert(value) {
    if (typeof value !== "string") throw conversionError("expected text such as http://host:port, or none");
    return value.toLowerCase() === "none" ? "none" : parseProxy(value, "-Proxy");
  },
};

/** Returns the value of the option "Proxy", which holds no password. */
export function proxyOption(choice: ProxyChoice): string {
  return choice === "none" ? choice : formatProxy(choice.address);
}

/** Returns the password of the proxy: from -Proxy, otherwise from the environment. */
export function findProxyPassword(
  choice: ProxyChoice | undefined,
  { env }: Pick<CommandContext, "env">,
): string | undefined {
  const typed = choice === undefined || choice === "none" ? undefined : choice.password?.();
  return typed ?? (env("TANDEM_PROXY_PASSWORD") || undefined);
}
