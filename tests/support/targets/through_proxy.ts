import type { Backend } from "../../../lib/core/backend.ts";
import { type Proxy, type ProxyOptions, startProxy } from "../proxy.ts";

/** A backend whose every byte passes a proxy, so that a test can break the line. */
export interface ProxiedBackend extends AsyncDisposable {
  readonly backend: Backend;
  readonly proxy: Proxy;
  /** Ends every connection, and every later one at once. */
  cut(): void;
  /** Keeps every connection open and carries nothing any more. */
  silence(): void;
  /** Answers every request with 503, for a backend that speaks HTTP. */
  answer503(): void;
}

/** Opens a backend through a proxy to the port. `open` is given the proxy's port. */
export async function throughProxy(
  port: number,
  open: (port: number) => Promise<Backend>,
  options: ProxyOptions & { readonly stack?: AsyncDisposableStack } = {},
): Promise<ProxiedBackend> {
  // What a test began before (a folder on the server) ends after the backend.
  await using stack = options.stack?.move() ?? new AsyncDisposableStack();
  const proxy = stack.use(await startProxy(port, options));
  const backend = stack.use(await open(proxy.port));
  const life = stack.move();
  return {
    backend,
    proxy,
    cut: () => proxy.refuse(true),
    silence: () => proxy.silence(),
    answer503: () => proxy.answer("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}
