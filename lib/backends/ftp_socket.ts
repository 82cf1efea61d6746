import { Buffer } from "node:buffer";
import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { netWords } from "./net_words.ts";
import { lost } from "./wire.ts";

/** How a socket becomes a TLS one. */
export interface Securing {
  readonly options: tls.ConnectionOptions;
  /** Throws unless this is the peer that is trusted. */
  check(socket: tls.TLSSocket): void;
}

/** Connects within `timeout` ms; given up when the signal is aborted. */
export function dial(
  to: { readonly host: string; readonly port: number },
  { timeout, signal }: { readonly timeout: number; readonly signal?: AbortSignal },
): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Socket>();
  const socket = net.connect({ ...to, noDelay: true });
  const timer = setTimeout(() => fail(lost("timeout", `no answer in ${timeout / 1000} s`)), timeout);
  const fail = (error: unknown) => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    socket.destroy();
    reject(error);
  };
  const stop = () => fail(lost("connection", "the connection was given up"));
  signal?.addEventListener("abort", stop);
  socket.once("error", (error) => fail(lost("connection", netWords(error) ?? error.message, error)));
  socket.once("connect", () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    socket.removeAllListeners("error");
    socket.on("error", () => {});
    resolve(socket);
  });
  return promise;
}

/** TLS over a connected socket, the peer checked, within `timeout` ms. `begun` is handed the socket before anything happens on it. */
export function secure(
  socket: net.Socket | Duplex,
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

/** Longer than any line of a reply. */
const MOST_LINE = 1 << 16;

/** The client library takes what comes at once for whole lines: it is handed whole lines only. */
export function wholeLines(socket: net.Socket, tooLong: () => void): void {
  const listeners = socket.listeners("data");
  socket.removeAllListeners("data");
  let rest = "";
  socket.on("data", (chunk: string | Buffer) => {
    const text = rest + (typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1"));
    const end = text.lastIndexOf("\n") + 1;
    rest = text.slice(end);
    if (rest.length > MOST_LINE) return tooLong();
    if (end > 0) { for (const listener of listeners) listener.call(socket, text.slice(0, end)); }
  });
}
