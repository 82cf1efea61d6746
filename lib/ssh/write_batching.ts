import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Buffer } from "node:buffer";
import { cancelled, SyncError } from "../core/errors.ts";
import type { CallOptions } from "../core/backend.ts";
import { describeNetError } from "../net/net_error.ts";

export interface SocketOptions extends CallOptions {
  readonly host: string;
  readonly port: number;
  /** ms within which the connection must be established. */
  readonly timeout: number;
}

/** Opens a TCP connection without Nagle's delay. Rejects with connection or timeout, both transient, or cancelled. */
export function openSocket(options: SocketOptions): Promise<Socket> {
  const { host, port, signal, timeout } = options;
  const place = `${host}:${port}`;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(cancelled(signal, OPERATION));
    const socket = connect({ host, port, noDelay: true });
    const timer = setTimeout(() => {
      fail(
        new SyncError("timeout", `Cannot connect to ${place}: no answer in ${timeout / 1000} s (-Timeout)`, TRANSIENT),
      );
    }, timeout);
    const onAbort = () => fail(cancelled(signal, OPERATION));
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    };
    const fail = (error: SyncError) => {
      settle();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    signal.addEventListener("abort", onAbort);
    socket.once("error", (error) => fail(toConnectError(error, place)));
    socket.once("connect", () => {
      settle();
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
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
const TRANSIENT = { operation: OPERATION, transient: true } as const;
const MAX_BATCH_BYTES = 128 * 1024;

function toConnectError(error: Error & { code?: string }, place: string): SyncError {
  const why = describeNetError(error) ?? error.message;
  const transient = error.code !== "ENOTFOUND";
  return new SyncError("connection", `Cannot connect to ${place}: ${why}`, {
    operation: OPERATION,
    transient,
    cause: error,
  });
}
