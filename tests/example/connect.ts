import { posix } from "node:path";
import { numberOption } from "../../lib/backends/shared/options.ts";
import type { CallOptions } from "../../lib/core/backend.ts";
import { root } from "../../lib/core/path.ts";
import { HttpClient } from "../../lib/http/client.ts";
import { connectWithRetry } from "../../lib/net/backoff.ts";
import { labelOf } from "../../lib/net/host.ts";
import { ExampleClient } from "./client.ts";
import { stat } from "./stat.ts";
import type { ConnectContext } from "../../lib/core/protocol.ts";

/** An open server. `start`: the folder of the address. */
export interface ExampleServer {
  readonly client: ExampleClient;
  readonly label: string;
  readonly start: string;
  readonly connections: number;
}

/** Connects to a server and logs in: one request, made again while the server is busy. */
export async function connectExample(
  { address, options, secret }: ConnectContext,
  call: CallOptions,
): Promise<ExampleServer> {
  const { host, port = DEFAULT_PORT } = address;
  const connections = Math.max(1, numberOption(options["Connections"], 4));
  const timeout = numberOption(options["Timeout"], 15_000);
  const label = labelOf(address, DEFAULT_PORT);
  const start = posix.resolve("/", address.path);
  const client = new ExampleClient(
    new HttpClient({ host, port, secure: false, timeout, connections }),
    await secret("password"),
  );
  try {
    const hello = { signal: call.signal, operation: "open", path: root, displayName: label, serverPath: "/" };
    await connectWithRetry(() => stat(client, hello), hello);
    return { client, label, start, connections };
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

export const DEFAULT_PORT = 8377;
