/** A request as a test's server recorded it. */
export interface HttpRequest {
  readonly method: string;
  /** As it was sent, percent-encoded, with the query. */
  readonly path: string;
  readonly headers: Headers;
  /** The port of the client's end of the connection. */
  readonly port: number;
}

/** An HTTP server on 127.0.0.1 for the length of a test. */
export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly HttpRequest[];
}

/** Starts a server that answers as `handle` says, and records the requests. Disposing ends open connections too. */
export function startHttp(
  handle: (request: Request, recorded: HttpRequest) => Response | Promise<Response>,
): HttpServer {
  const requests: HttpRequest[] = [];
  const stop = new AbortController();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    onListen: () => {},
    // A client that is gone is no error of the server.
    onError: () => new Response(null, { status: 500 }),
  }, (request, { remoteAddr }) => {
    const { pathname, search } = new URL(request.url);
    const one = { method: request.method, path: pathname + search, headers: request.headers, port: remoteAddr.port };
    requests.push(one);
    return handle(request, one);
  });
  return {
    port: server.addr.port,
    requests,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
}
