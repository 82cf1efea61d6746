import type { ResponseHead } from "../../http/errors.ts";
import { decodePath } from "./href.ts";

/** A request as far as a redirect concerns it. `origin`: the server's own, "https://host:port". */
export interface RedirectedRequest {
  readonly method: string;
  readonly uri: string;
  readonly origin: string;
}

/**
 * Returns the path at which the server wants the request, if it may be sent there on the same connection; undefined for
 * any other reply. Nothing is ever sent to another server or over another connection, so that a redirect to the same
 * folder with a slash counts with any port and scheme: a server behind a proxy that ends TLS names its own.
 */
export function redirectTarget({ method, uri, origin }: RedirectedRequest, reply: ResponseHead): string | undefined {
  const location = firstValue(reply.headers.location);
  if (!REDIRECTS.includes(reply.status) || location === undefined) return undefined;
  const url = parseLocation(location, origin + uri);
  if (url === undefined) return undefined;
  const own = new URL(origin);
  if (addsSlash(url, uri)) {
    // A file that became a folder must not be read, replaced or removed as one.
    return url.hostname === own.hostname && LOOKS.includes(method) ? `${uri}/` : undefined;
  }
  const isMoved = reply.status === 307 || reply.status === 308;
  if (!isMoved || url.origin !== own.origin) return undefined;
  // A page for all requests, such as a login form, is not the file that was requested.
  return lastName(url.pathname) === lastName(uri) && url.pathname !== uri ? url.pathname + url.search : undefined;
}

/** Whether a redirect leads to the same path with a slash at its end, in any percent-encoding. */
function addsSlash(url: URL, uri: string): boolean {
  if (uri.endsWith("/") || !url.pathname.endsWith("/") || url.search !== "") return false;
  const [wanted, given] = [decodePath(uri), decodePath(url.pathname)];
  return wanted.length === given.length && wanted.every((name, at) => name === given[at]);
}

function lastName(path: string): string | undefined {
  return decodePath(path).at(-1);
}

function parseLocation(location: string, base: string): URL | undefined {
  return URL.canParse(location, base) ? new URL(location, base) : undefined;
}

function firstValue(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

const REDIRECTS: readonly number[] = [301, 302, 307, 308];
/** The methods that only look. */
const LOOKS: readonly string[] = ["PROPFIND", "OPTIONS"];
