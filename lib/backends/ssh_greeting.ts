import type { Duplex } from "node:stream";

/** What is wrong with how a server greets. */
export type OnRefused = (why: string) => void;

/**
 * Looks at the server's first bytes beside the client library, which waits for "SSH-" until its deadline. Calls `onRefused` once if they are
 * another protocol's, or if too much comes before the identification (RFC 4253, section 4.2, allows lines there). Must be called before
 * the library reads from the stream.
 */
export function watchGreeting(stream: Duplex, onRefused: OnRefused): void {
  let start = "";
  let bytes = 0;
  // Paused, so that a listener alone does not make the bytes flow before the library listens too.
  stream.pause();
  const look = (data: Uint8Array) => {
    bytes += data.length;
    start = (bytes > data.length ? start : "") + latin1.decode(data);
    const other = bytes === data.length || start.length < LONGEST ? otherProtocol(start) : undefined;
    const isSsh = /(?:^|\n)SSH-/.test(start);
    const isLate = bytes > MOST_GREETING;
    if (isSsh || isLate || other !== undefined) stream.off("data", look);
    if (isSsh) return;
    if (other !== undefined) {
      return onRefused(`${other} answered, no SSH server; check the port and the address's scheme`);
    }
    if (isLate) onRefused(`the server sent ${MOST_GREETING >> 10} KiB without an SSH identification`);
    start = start.slice(-LONGEST);
  };
  stream.on("data", look);
}

/** Which other protocol a server's first bytes belong to. */
export function otherProtocol(start: string): string | undefined {
  return OTHERS.find(([pattern]) => pattern.test(start))?.[1];
}

const latin1 = new TextDecoder("latin1");
const MOST_GREETING = 64 * 1024;
const LONGEST = 256;
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/^HTTP\/\d/, "an HTTP server"],
  [/^<(?:!doctype|html|\?xml)/i, "an HTTP server"],
  // deno-lint-ignore no-control-regex
  [/^(?:\x15|\x16)\x03/, "a TLS server (HTTPS or FTPS)"],
  [/^(?:220|421)[ -][^\n]*(?:E?SMTP|mail)/i, "a mail server"],
  [/^(?:220|120|421|530)[ -]/, "an FTP server"],
  [/^\+OK|^\* OK/, "a mail server"],
  [/^RFB \d/, "a VNC server"],
];
