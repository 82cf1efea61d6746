import type { Mutant } from "./list.ts";

const trust = { file: "lib/net/tls.ts", tests: ["tests/unit/net/tls_test.ts"] };
const stream = { file: "lib/net/tls_transport.ts", tests: ["tests/unit/net/tls_transport_test.ts"] };
const records = { file: "lib/net/close_notify.ts", tests: ["tests/unit/backends/ftp/tls_test.ts"] };
const rate = {
  file: "lib/net/transport.ts",
  tests: ["tests/unit/net/transport_test.ts", "tests/unit/net/tls_transport_test.ts"],
};
const login = { file: "lib/backends/ftp/connect.ts", tests: ["tests/unit/backends/ftp/tls_test.ts"] };
const first = { file: "lib/net/peer_protocol.ts", tests: ["tests/unit/net/peer_protocol_test.ts"] };

/** Sabotages of what proves servers over TLS, holds them back, and notices their end. */
export const mutantsOfTls: readonly Mutant[] = [
  {
    ...trust,
    name: "TLS: a pin that does not match is made good by an authority",
    old: 'throw untrustedError(trust, "its certificate is not the pinned one", fingerprint);',
    new: 'if (!socket.authorized) throw untrustedError(trust, "its certificate is not the pinned one", fingerprint);',
  },
  {
    ...trust,
    name: "TLS: a pin is only added to what authorities vouch for",
    old: 'if (pins.includes(fingerprint) || pins.includes(createHash("sha1").update(raw).digest("hex"))) return;',
    new: "if (pins.includes(fingerprint) && socket.authorized) return;",
  },
  {
    ...trust,
    name: "TLS: the common name is a name",
    old: "function explainWrongName(host: string, { raw }: tls.PeerCertificate): string | undefined {",
    new:
      "function explainWrongName(host: string, { raw, subject }: tls.PeerCertificate): string | undefined {\n  if (subject.CN === host) return undefined;",
  },
  {
    ...trust,
    name: "TLS: a certificate that names no host is for every host",
    old: 'if (names !== "" && tls.checkServerIdentity(withoutZone(host), named) === undefined) return undefined;',
    new: 'if (names === "" || tls.checkServerIdentity(withoutZone(host), named) === undefined) return undefined;',
  },
  {
    ...trust,
    file: "lib/net/tls_names.ts",
    name: "TLS: a comma in a name makes two of it",
    old: "return HOST.test(name) ? [`DNS:${name}`] : [];",
    new: "return [`DNS:${name}`];",
  },
  {
    ...trust,
    file: "lib/net/tls_names.ts",
    name: "TLS: the names of a certificate are read from the runtime's text",
    old: "if (tag !== IP_ADDRESS) return [];",
    new: "if (tag !== IP_ADDRESS) return new TextDecoder().decode(content).split(/, /).slice(1);",
  },
  {
    ...trust,
    name: "TLS: nobody needs to vouch for a certificate",
    old:
      "const why = explainWrongName(host, certificate) ?? explainInvalidDates(certificate) ?? explainUntrustedChain(socket);",
    new: "const why = explainWrongName(host, certificate) ?? explainInvalidDates(certificate);",
  },
  {
    ...trust,
    name: "TLS: any name will do",
    old:
      "const why = explainWrongName(host, certificate) ?? explainInvalidDates(certificate) ?? explainUntrustedChain(socket);",
    new: "const why = explainInvalidDates(certificate) ?? explainUntrustedChain(socket);",
  },
  {
    ...trust,
    name: "TLS: the base64 of a fingerprint is refused",
    old: 'if (/^[A-Za-z0-9+/_-]{43}=?$/.test(bare)) return Buffer.from(bare, "base64url").toString("hex");',
    new: 'if (/^[A-Za-z0-9+/]{43}$/.test(bare)) return Buffer.from(bare, "base64url").toString("hex");',
  },
  {
    ...trust,
    name: "TLS: half a fingerprint is one",
    old: "if (isHex && (hex.length === SHA256_DIGITS || hex.length === SHA1_DIGITS)) return hex;",
    new: "if (isHex && hex.length >= 32) return hex;",
  },
  {
    ...trust,
    name: "TLS: a message prints a fingerprint that no parameter takes",
    old: "`; if it is right, add -TlsHostCertificateFingerprint ${fingerprint}`;",
    new: "`; if it is right, add -TlsHostCertificateFingerprint hex:${fingerprint}`;",
  },
  {
    ...trust,
    name: "TLS: SHA-1 passes without a word",
    old: "const isOld = pins.some((pin) => pin.length === SHA1_DIGITS);",
    new: "const isOld = pins.some((pin) => pin.length < SHA1_DIGITS);",
  },
  {
    name: "TLS: the parameter refuses the digits that messages print",
    file: "lib/shell/command/param_types.ts",
    old: "[0-9a-f]{2}(?:[: -]?[0-9a-f]{2}){19}(?:(?:[: -]?[0-9a-f]{2}){12})?",
    new: "[0-9a-f]{2}(?:[:-][0-9a-f]{2}){19}(?:(?:[:-][0-9a-f]{2}){12})?",
    tests: ["tests/unit/shell/command/param_types_test.ts"],
  },
  {
    ...login,
    name: "TLS: FTP forgets that a server agreed to TLS",
    old: "state.requiresTls = true;",
    new: "",
  },
  {
    ...login,
    name: "TLS: a fingerprint does not make FTP insist on TLS",
    old: 'requiresTls: security === "Explicit" || pins.length > 0',
    new: 'requiresTls: security === "Explicit"',
  },
  {
    ...login,
    name: "TLS: a fingerprint without TLS is nothing",
    old: 'if (pins.length > 0 && security === "None") {',
    new: "if (pins.length < 0) {",
  },
  {
    ...stream,
    name: "TLS: whoever shakes hands is trusted",
    old: "        verifyPeer(socket, trust);",
    new: "        if (trust.host === undefined) verifyPeer(socket, trust);",
  },
  {
    ...stream,
    name: "TLS: a peer is read on, whatever is held",
    old: "return this.#hasRoom();",
    new: "return this.#hasRoom() || true;",
  },
  {
    ...stream,
    name: "TLS: what is held is not counted",
    old: "      this.#buffered += part.length;",
    new: "      this.#buffered += 0;",
  },
  {
    ...stream,
    name: "TLS: a peer that was held back is not read on",
    old: "    if (at > 0) void this.#ciphertext.pump();",
    new: "    if (at < 0) void this.#ciphertext.pump();",
  },
  {
    ...stream,
    name: "TLS: the end overtakes what is held",
    old: "        if (count > 0) return count;\n        if (this.#isEnded) return undefined;",
    new: "        if (this.#isEnded) return undefined;\n        if (count > 0) return count;",
  },
  {
    ...stream,
    name: "TLS: a drip lasts for ever",
    old: "else if (count > 0) this.#assertRate(performance.now() - since, count);",
    new: "else if (count > 0) this.#assertRate(0, count);",
  },
  {
    ...stream,
    name: "TLS: silence lasts for ever",
    old: "    if (!untimed) this.#readWatchdog.start();",
    new: "    if (untimed) this.#readWatchdog.start();",
  },
  {
    ...stream,
    name: "TLS: what answered instead is not looked at",
    old: "return why === undefined ? error : wrongProtocolError(why);",
    new: "return why !== undefined ? error : wrongProtocolError(why ?? error.message);",
  },
  {
    ...records,
    name: "FTPS: every end was told",
    old: "return isAlert && this.#remaining === 0 && this.#header.length === 0;",
    new: "return isAlert || this.#remaining === 0;",
  },
  {
    ...records,
    name: "FTPS: no end was told under TLS 1.2",
    old: "const isAlert = this.#type === ALERT_RECORD ||",
    new: "const isAlert = this.#type === APPLICATION_DATA_RECORD + 1 ||",
  },
  {
    name: "FTPS: a listing that was cut counts",
    file: "lib/backends/ftp/list.ts",
    old: "      needsCloseNotify: true,",
    new: "      needsCloseNotify: false,",
    tests: ["tests/unit/backends/ftp/tls_test.ts"],
  },
  {
    ...rate,
    name: "a slow reader is taken for a slow peer",
    old: "    if (this.#bytes >= MIN_BYTES) return this.reset();\n    if (this.#waited < this.#timeout) return;",
    new: "    if (this.#bytes >= MIN_BYTES) return this.reset();\n    if (this.#waited === 0) return;",
  },
  {
    ...rate,
    name: "a byte in time is enough",
    old: "    if (this.#bytes >= MIN_BYTES) return this.reset();",
    new: "    if (this.#bytes > 0) return this.reset();",
  },
  {
    ...rate,
    name: "a timeout does not name its parameter",
    file: "lib/net/net_error.ts",
    old: "`${what} in ${timeout / 1000} s; -Timeout waits longer`",
    new: "`${what} in ${timeout / 1000} s`",
  },
  {
    ...first,
    name: "a mail server is taken for an FTP server",
    old: 'if (line !== undefined && /^220[ -].*\\bE?SMTP\\b/i.test(line) && !/ftp/i.test(line)) return "SMTP";',
    new: 'if (line === undefined && /^220[ -].*\\bE?SMTP\\b/i.test(text)) return "SMTP";',
  },
  {
    name: "dav: what speaks first at the port is not looked at",
    file: "lib/http/connection.ts",
    old: "const why = untimed && this.exchangeCount === 0\n        ?",
    new: "const why = untimed && this.exchangeCount < 0 ?",
    tests: ["tests/unit/backends/wrong_protocol_test.ts"],
  },
];
