import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Buffer } from "node:buffer";
import { cancelled, SyncError, toSyncError } from "../core/errors.ts";
import type { CallOptions } from "../core/backend.ts";
import { PROXY_FAILED } from "../net/net_error.ts";
import { formatHostPort } from "../net/host.ts";
import { dialSocket, type Proxy } from "../net/tcp.ts";

export interface SocketOptions extends CallOptions {
  readonly host: string;
  readonly port: number;
  readonly proxy?: Proxy | undefined;
  /** ms within which the connection must be established. */
  readonly timeout: number;
}

/** Opens a TCP connection without Nagle's delay. Rejects with connection or timeout, both transient, or cancelled. */
export async function openSocket({ host, port, proxy, signal, timeout }: SocketOptions): Promise<Socket> {
  if (signal.aborted) throw cancelled(signal, OPERATION);
  try {
    return await dialSocket({ host, port, proxy }, { timeout, signal });
  } catch (error) {
    if (signal.aborted) throw cancelled(signal, OPERATION);
    const { kind, message, facts } = toSyncError(error, OPERATION);
    const { cause = error } = facts;
    // A name that does not exist will not exist in a moment either, nor will a proxy change its rules.
    const isFinal = facts.id === PROXY_FAILED && facts.transient !== true;
    const transient = !isFinal && !(cause instanceof Error && "code" in cause && cause.code === "ENOTFOUND");
    const why = `Cannot connect to ${formatHostPort({ host, port })}: ${message}`;
    throw new SyncError(kind, why, { operation: OPERATION, transient, cause });
  }
}

/**
 * Joins all writes to the stream within one turn of the event loop into one write: the client library writes each
 * packet in three pieces, and hundreds of requests in a turn.
 */
export function batchWrites(stream: Duplex): void {
  const write = stream.write.bind(stream);
  const end = stream.end.bind(stream);
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let planned = false;
  const flush = () => {
    planned = false;
    if (bytes === 0) return;
    const joined = parts.length === 1 ? parts[0] : Buffer.concat(parts, bytes);
    parts = [];
    bytes = 0;
    if (stream.writable) write(joined);
  };
  Object.assign(stream, {
    write(data: Uint8Array): boolean {
      parts.push(data);
      bytes += data.length;
      if (bytes >= MAX_BATCH_BYTES) flush();
      if (bytes > 0 && !planned) {
        planned = true;
        setImmediate(flush);
      }
      return true;
    },
    end(): Duplex {
      flush();
      return end();
    },
  });
}

const OPERATION = "connect";
const MAX_BATCH_BYTES = 128 * 1024;
