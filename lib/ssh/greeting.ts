import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { peerProtocol, wrongProtocol } from "../net/peer_protocol.ts";

/**
 * Inspects the server's first bytes in parallel with the client library, which waits for "SSH-" until its deadline.
 * Calls `onRefused` once if they belong to another protocol, or if too much precedes the identification (RFC 4253,
 * section 4.2, allows lines there). Must be called before the library reads from the stream.
 */
export function watchGreeting(stream: Duplex, onRefused: (why: string) => void): void {
  let first = Buffer.alloc(0);
  // Paused: otherwise this listener would start the flow of bytes before the library listens too.
  stream.pause();
  const look = (data: Uint8Array) => {
    first = Buffer.concat([first, data]);
    const wrong = wrongProtocol(first, "ssh");
    const isSsh = peerProtocol(first) === "SSH" || first.includes("\nSSH-");
    const isLate = first.length > MOST_GREETING;
    if (isSsh || isLate || wrong !== undefined) stream.off("data", look);
    if (isSsh) return;
    if (wrong !== undefined) return onRefused(wrong);
    if (isLate) onRefused(`the server sent ${MOST_GREETING >> 10} KiB without an SSH identification`);
  };
  stream.on("data", look);
}

const MOST_GREETING = 64 * 1024;
