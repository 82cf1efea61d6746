import { HttpClient, type HttpRequest } from "../../lib/http/client.ts";
import { root } from "../../lib/core/path.ts";
import type { RawServer } from "./servers/raw_http.ts";

export const ask = { operation: "test", path: root, signal: new AbortController().signal };
export const get: HttpRequest = { method: "GET", uri: "/" };
export const MOST = 1 << 20;

export function connect({ port }: RawServer, { timeout = 10_000, connections = 1 } = {}): HttpClient {
  return new HttpClient({ host: "127.0.0.1", port, secure: false, pins: [], timeout, connections });
}

export async function textOf(client: HttpClient, sending: HttpRequest = get): Promise<string> {
  const reply = await client.send(sending, ask);
  return new TextDecoder().decode(await reply.readAll(MOST));
}
