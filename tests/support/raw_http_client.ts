import { Http, type Sending } from "../../lib/http/client.ts";
import { root } from "../../lib/core/path.ts";
import type { RawServer } from "./servers/raw_http.ts";

export const ask = { operation: "test", path: root, signal: new AbortController().signal };
export const get: Sending = { method: "GET", uri: "/" };
export const MOST = 1 << 20;

export function connect({ port }: RawServer, { timeout = 10_000, connections = 1 } = {}): Http {
  return new Http({ host: "127.0.0.1", port, secure: false, pins: [], timeout, connections });
}

export async function textOf(client: Http, sending: Sending = get): Promise<string> {
  const reply = await client.exchange(sending, ask);
  return new TextDecoder().decode(await reply.collect(MOST));
}
