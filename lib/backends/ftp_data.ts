import type { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";
import { SyncError } from "../errors.ts";

/** A data connection. Nothing of it is an event: whoever asks for bytes waits for them, at most `timeout` ms. */
export interface Data {
  /** The next bytes; undefined at the end. Rejects when the connection breaks, or ends without TLS having said so. */
  next(): Promise<Buffer<ArrayBuffer> | undefined>;
  /** Resolves when the bytes were taken over. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything was sent and the end was told. */
  end(): Promise<void>;
  destroy(): void;
}

/** How a socket becomes a TLS one. */
export interface Securing {
  readonly options: tls.ConnectionOptions;
  /** Throws unless this is the peer that is trusted. */
  check(socket: tls.TLSSocket): void;
}

/** Connects within `timeout` ms. */
export function dial(to: { readonly host: string; readonly port: number }, timeout: number): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Socket>();
  const socket = net.connect({ ...to, noDelay: true });
  const timer = setTimeout(() => fail(lost("timeout", `no answer in ${timeout / 1000} s`)), timeout);
  const fail = (error: unknown) => {
    clearTimeout(timer);
    socket.destroy();
    reject(error);
  };
  socket.once("error", (error) => fail(lost("connection", error.message, error)));
  socket.once("connect", () => {
    clearTimeout(timer);
    socket.removeAllListeners("error");
    socket.on("error", () => {});
    resolve(socket);
  });
  return promise;
}

/** TLS over a connected socket, the peer checked, within `timeout` ms. `begun` is handed the socket before anything happens on it. */
export function secure(
  socket: net.Socket,
  { options, check }: Securing,
  { timeout, begun }: { readonly timeout: number; begun?(secured: tls.TLSSocket): void },
): Promise<tls.TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<tls.TLSSocket>();
  const secured = tls.connect({ ...options, socket });
  begun?.(secured);
  const settle = () => {
    clearTimeout(timer);
    secured.off("error", fail);
    secured.off("close", onClose);
    secured.on("error", () => {});
  };
  const fail = (error: unknown) => {
    settle();
    secured.destroy();
    socket.destroy();
    reject(error);
  };
  const onClose = () => fail(lost("connection", "the server closed the connection before TLS was agreed on"));
  const timer = setTimeout(() => fail(lost("timeout", `no TLS in ${timeout / 1000} s`)), timeout);
  secured.on("error", fail);
  secured.on("close", onClose);
  secured.once("secureConnect", () => {
    try {
      check(secured);
    } catch (error) {
      return fail(error);
    }
    settle();
    resolve(secured);
  });
  return promise;
}

/** The data connection over a connected socket. */
export function toData(socket: net.Socket, timeout: number): Data {
  let broken: unknown;
  let ended = false;
  let wake: (() => void) | undefined;
  const stir = () => wake?.();
  socket.on("error", (error) => {
    broken ??= lost("connection", `the data connection broke: ${error.message}`, error);
    stir();
  });
  socket.on("end", () => {
    ended = true;
    stir();
  });
  socket.on("drain", stir);
  socket.on("finish", stir);
  socket.on("close", () => {
    if (!ended) broken ??= lost("connection", "the data connection broke off");
    stir();
  });
  const parts: Buffer<ArrayBuffer>[] = [];
  let held = 0;
  // Paused from the start: nothing is taken from the network that nobody asked for. A TLS socket that was paused may never go on
  // under this runtime, so that one runs until far more is held.
  const most = socket instanceof tls.TLSSocket ? MOST_HELD_TLS : MOST_HELD;
  if (most === MOST_HELD) socket.pause();
  socket.on("data", (part: Buffer<ArrayBuffer>) => {
    parts.push(part);
    held += part.length;
    if (held >= most) socket.pause();
    stir();
  });
  const waited = async (what: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      broken ??= lost("timeout", `${what} for ${timeout / 1000} s`);
      socket.destroy();
      reject(broken);
    }, timeout);
    wake = resolve;
    await promise.finally(() => {
      clearTimeout(timer);
      wake = undefined;
    });
  };
  return {
    async next() {
      for (;;) {
        const bytes = parts.shift();
        if (bytes !== undefined) {
          held -= bytes.length;
          return bytes;
        }
        if (ended) return undefined;
        if (broken !== undefined) throw broken;
        socket.resume();
        await waited("no byte came");
      }
    },
    async write(bytes) {
      for (let at = 0; at < bytes.length; at += PART) {
        if (broken !== undefined) throw broken;
        if (socket.write(bytes.subarray(at, at + PART))) continue;
        while (socket.writableNeedDrain && broken === undefined) await waited("no byte was taken");
      }
      if (broken !== undefined) throw broken;
    },
    async end() {
      if (broken !== undefined) throw broken;
      socket.end();
      while (!socket.writableFinished && broken === undefined) await waited("no byte was taken");
      if (!socket.writableFinished) throw broken;
    },
    destroy: () => void socket.destroy(),
  };
}

/** An error of the wire, which may pass. */
export function lost(kind: "connection" | "timeout" | "busy", why: string, cause?: unknown): SyncError {
  const facts = { operation: "use FTP", transient: true, ...(cause === undefined ? {} : { cause }) };
  return new SyncError(kind, why, facts);
}

/** So much is held for a reader that comes late. */
const MOST_HELD = 1 << 20;
const MOST_HELD_TLS = 64 << 20;
/** So much must be taken within the timeout, on the slowest of lines. */
const PART = 64 * 1024;
