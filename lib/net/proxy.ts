import type { ProxyContext, ProxyDestination } from "./proxy_types.ts";
import type { Proxy } from "./tcp.ts";

/**
 * Returns the proxy for a destination: that of -Proxy for every host, otherwise that of the environment unless the host
 * is this machine or NO_PROXY names it. Undefined: the connection is direct. Throws badInput for a value that cannot be
 * used. The rules are loaded only if there is a value.
 */
export async function findProxy(context: ProxyContext, destination: ProxyDestination): Promise<Proxy | undefined> {
  const explicit = context.options["Proxy"];
  if (explicit === "none") return undefined;
  const source = explicit === undefined ? variableFor(context, destination) : "-Proxy";
  if (source === undefined) return undefined;
  const { makeProxy } = await import("./proxy_choice.ts");
  return makeProxy(context, destination, { source, text: explicit ?? context.env(source) ?? "" });
}

/**
 * Returns the name of the variable that speaks of the destination. Those in lower case come first, as with curl; a
 * program that a web server runs ignores HTTP_PROXY, which then holds the header "Proxy" of a request.
 */
function variableFor({ env }: ProxyContext, { protocol }: ProxyDestination): string | undefined {
  const isCgi = env("REQUEST_METHOD") !== undefined;
  const names = [
    ...(protocol === "https" ? ["https_proxy", "HTTPS_PROXY"] : []),
    ...(protocol === "http" ? ["http_proxy", ...(isCgi ? [] : ["HTTP_PROXY"])] : []),
    ...["all_proxy", "ALL_PROXY"],
  ];
  return names.find((name) => (env(name) ?? "") !== "");
}
