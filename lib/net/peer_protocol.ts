/** A protocol that a server can be recognised by from its first bytes. */
export type PeerProtocol = "SSH" | "FTP" | "HTTP" | "TLS" | "SMTP" | "IMAP" | "POP3" | "rsync" | "VNC";

/** The protocol that a connection was opened for; "ftps" and "https" begin with TLS. */
export type ExpectedProtocol = "ssh" | "ftp" | "ftps" | "http" | "https";

/**
 * The number of leading bytes that are examined; more would add nothing. RFC 4253, section 4.2, allows an SSH server
 * other lines before its version.
 */
const MAX_EXAMINED = 1024;

/** Returns the protocol whose server begins with these bytes; undefined for any other, and for too few of them. */
export function detectProtocol(first: Uint8Array): PeerProtocol | undefined {
  const [type, major] = first;
  // A TLS record: an alert or a handshake (RFC 8446, section 5.1).
  if ((type === 0x15 || type === 0x16) && major === 3) return "TLS";
  const text = new TextDecoder("latin1").decode(first.subarray(0, MAX_EXAMINED));
  if (/^HTTP\/\d/.test(text)) return "HTTP";
  const line = /^[^\r\n]*(?=[\r\n])/.exec(text)?.[0];
  if (line !== undefined && /^220[ -].*\bE?SMTP\b/i.test(line) && !/ftp/i.test(line)) return "SMTP";
  return GREETINGS.find(([greeting]) => greeting.test(text))?.[1];
}

const GREETINGS: readonly (readonly [greeting: RegExp, protocol: PeerProtocol])[] = [
  [/^(?:[^\r\n]*\r?\n)*SSH-\d\.\d/, "SSH"],
  [/^(?:220|421|120)[ -][^\r\n]*\r?\n/, "FTP"],
  [/^\* (?:OK|PREAUTH|BYE)/, "IMAP"],
  [/^\+OK/, "POP3"],
  [/^@RSYNCD:/, "rsync"],
  [/^RFB \d{3}/, "VNC"],
];

/** Whether the text of a "400 Bad Request" says that the port expects TLS, in the words of nginx, Apache, Go, Java and lighttpd. */
export function requiresTls(text: string): boolean {
  return /plain HTTP request was sent to HTTPS port|speaking plain HTTP to an SSL-enabled|HTTP request to an HTTPS server|requires TLS|plain text request .*TLS/i
    .test(text);
}

/**
 * Returns why the first bytes end a connection: the end of a sentence that names the server's protocol and what to write instead.
 * Undefined when they are of the protocol that was wanted, or of none that is known.
 */
export function explainWrongProtocol(first: Uint8Array, expected: ExpectedProtocol): string | undefined {
  const found = detectProtocol(first);
  return found === undefined || found === PEER_OF[expected] ? undefined : explainWrongPeer(found, expected);
}

/** Returns the same for a protocol that is known already. */
export function explainWrongPeer(found: PeerProtocol, expected: ExpectedProtocol): string {
  const sentence = `${article(found)} ${found} server answers on this port`;
  switch (found) {
    case "SSH":
      return `${sentence}: check the port, or write sftp://`;
    case "FTP":
      return expected === "ftps"
        ? "an FTP server answers without TLS: write ftpes://, which asks for TLS, or another port"
        : `${sentence}: check the port, or write ftp:// or ftpes://`;
    case "HTTP":
      return expected === "https"
        ? "an HTTP server answers without TLS: write dav:// (in -Endpoint, http://), or another port"
        : `${sentence}: check the port, or write dav://`;
    case "TLS":
      return `the server expects TLS on this port: ${TLS_ADVICE[expected]}`;
    default:
      return `${sentence}: check the port`;
  }
}

const PEER_OF: Readonly<Record<ExpectedProtocol, PeerProtocol>> = {
  ssh: "SSH",
  ftp: "FTP",
  ftps: "TLS",
  http: "HTTP",
  https: "TLS",
};

const TLS_ADVICE: Readonly<Record<ExpectedProtocol, string>> = {
  ssh: "check the port, or write ftps:// or davs://",
  ftp: "write ftps://",
  ftps: "check the port",
  http: "write davs:// (in -Endpoint, https://)",
  https: "check the port",
};

function article(protocol: PeerProtocol): string {
  return /^(?:SSH|FTP|HTTP|SMTP|IMAP)$/.test(protocol) ? "an" : "a";
}
