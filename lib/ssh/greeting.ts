import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { detectProtocol, explainWrongProtocol } from "../net/peer_protocol.ts";

/**
 * Inspects the server's first bytes in parallel with the client library, which waits for "SSH-" until its deadline.
 * Calls `onRefused` once if they belong to another protocol, or if too much precedes the identification (RFC 4253,
 * section 4.2, allows lines there). Must be called before the library reads from the stream.
 */
export function watchGreeting(stream: Duplex, onRefused: (why: string) => void): void {
  let first = Buffer.alloc(0);
  // Paused: otherwise this listener would start the flow of bytes before the library listens too.
  stream.pause();
  const inspect = (data: Uint8Array) => {
    first = Buffer.concat([first, data]);
    const explanation = explainWrongProtocol(first, "ssh");
    const isSsh = detectProtocol(first) === "SSH" || first.includes("\nSSH-");
    const isTooLong = first.length > MAX_GREETING;
    if (isSsh || isTooLong || explanation !== undefined) stream.off("data", inspect);
    if (isSsh) return;
    if (explanation !== undefined) return onRefused(explanation);
    if (isTooLong) onRefused(`the server sent ${MAX_GREETING >> 10} KiB without an SSH identification`);
  };
  stream.on("data", inspect);
}

const MAX_GREETING = 64 * 1024;
