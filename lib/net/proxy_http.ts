import { escapeForDisplay } from "../core/path.ts";
import { toLatin1 } from "./latin1.ts";
import type { ProxyHandshake, ProxyLogin, ProxySettings } from "./proxy_handshake.ts";

/** Asks a proxy to connect to "host:port". RFC 9110, section 9.3.6. */
export async function connectThroughHttp(
  handshake: ProxyHandshake,
  target: string,
  authorization: string | undefined,
): Promise<void> {
  const login = authorization === undefined ? "" : `Proxy-Authorization: ${authorization}\r\n`;
  await handshake.write(
    toLatin1(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${login}User-Agent: Tandem\r\n\r\n`),
  );
  const head = await handshake.takeHead("HTTP/1.");
  const [, digits, reason = ""] = /^HTTP\/1\.[01] (\d{3})(?: ([^\r\n]*))?(?:\r\n|$)/.exec(head ?? "") ?? [];
  if (head === undefined || digits === undefined) {
    throw handshake.error("connection", "does not answer in HTTP: check its port, or write socks5h://");
  }
  const status = Number(digits);
  if (status >= 200 && status < 300) return;
  // tinyproxy refuses a wrong login with 401.
  if (status === 407 || status === 401) {
    throw unlessBasic(handshake, head) ?? handshake.loginError(authorization !== undefined);
  }
  const said = `${status} ${escapeForDisplay(reason).slice(0, 80)}`.trim();
  const advice = status === 403 || status === 405 ? "; its rules must allow CONNECT to this port" : "";
  throw handshake.error("connection", `does not connect to ${target} (${said})${advice}`, status >= 500);
}

/** Returns the value of Proxy-Authorization; undefined without a user. RFC 7617. */
export function basicAuthorization(
  login: ProxyLogin | undefined,
  { hideSecret }: Pick<ProxySettings, "hideSecret">,
): string | undefined {
  if (login === undefined) return undefined;
  const token = new TextEncoder().encode(`${login.user}:${login.password}`).toBase64();
  hideSecret(token);
  return `Basic ${token}`;
}

/** Returns the error of a proxy that offers other kinds of login alone. */
function unlessBasic(handshake: ProxyHandshake, head: string): Error | undefined {
  const offers = [...head.matchAll(/\r\nproxy-authenticate:[ \t]*([a-z0-9-]+)/gi)].map(([, scheme = ""]) => scheme);
  if (offers.length === 0 || offers.some((scheme) => scheme.toLowerCase() === "basic")) return undefined;
  return handshake.error("auth", `asks for a login of kind ${offers.slice(0, 4).join(", ")}: only Basic is supported`);
}
