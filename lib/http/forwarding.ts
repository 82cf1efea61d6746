import type { OperationContext } from "../core/operation.ts";
import { formatHostPort, withoutZone } from "../net/host.ts";
import { namingProxy } from "../net/net_error.ts";
import type { ForwardProxy } from "../net/proxy_types.ts";
import type { Proxy } from "../net/tcp.ts";
import { toTransport, type Transport } from "../net/transport.ts";
import { networkToSyncError } from "./errors.ts";
import type { HttpResponse } from "./exchange.ts";

/** The requests in clear text to one server that a proxy passes on. */
export class Forwarding {
  readonly #proxy: ForwardProxy;
  readonly #origin: string;
  #authorization: string | undefined;

  constructor(proxy: ForwardProxy, { host, port }: { readonly host: string; readonly port: number }) {
    this.#proxy = proxy;
    this.#origin = `http://${formatHostPort({ host: withoutZone(host), port }, 80)}`;
  }

  /**
   * Returns the headers for the proxy. It learns the user only after it asked for one, since a proxy without users may
   * pass them on; and it must not answer from its cache.
   */
  headersFor(method: string): Readonly<Record<string, string>> {
    return {
      ...(method === "GET" || method === "HEAD" ? { "cache-control": "no-cache" } : {}),
      ...(this.#authorization === undefined ? {} : { "proxy-authorization": this.#authorization }),
    };
  }

  /** Returns the whole address of a path. */
  uriOf(path: string): string {
    return this.#origin + path;
  }

  async connect(timeout: number): Promise<Transport> {
    return toTransport(await this.#proxy.openForward(timeout), timeout);
  }

  /** Sends a request, and again with a user if the proxy asks for one. */
  async send(send: () => Promise<HttpResponse>, context: OperationContext): Promise<HttpResponse> {
    for (;;) {
      const sent = this.#authorization;
      const response = await send();
      if (!isProxyLoginRefused(response, sent)) return response;
      await response.discard();
      try {
        this.#authorization = await this.#proxy.authorize(sent);
      } catch (error) {
        throw networkToSyncError(context, error);
      }
    }
  }
}

/** Whether the proxy itself lets nobody through. tinyproxy refuses a wrong login with 401, as a server would. */
function isProxyLoginRefused({ status, headers }: HttpResponse, sent: string | undefined): boolean {
  return status === 407 || (status === 401 && sent !== undefined && /^tinyproxy\b/i.test(String(headers["server"])));
}

/** Sends a request through a proxy, which each failure of the connection names. */
export async function sendThroughProxy(
  proxy: Proxy,
  { context, forwarding, send }: {
    readonly context: OperationContext;
    readonly forwarding: Forwarding | undefined;
    send(): Promise<HttpResponse>;
  },
): Promise<HttpResponse> {
  try {
    return await (forwarding === undefined ? send() : forwarding.send(send, context));
  } catch (error) {
    throw namingProxy(error, proxy);
  }
}
