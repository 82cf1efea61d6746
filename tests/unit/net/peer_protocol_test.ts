import assert from "node:assert/strict";
import {
  detectProtocol,
  type ExpectedProtocol,
  explainWrongPeer,
  explainWrongProtocol,
  requiresTls,
} from "../../../lib/net/peer_protocol.ts";

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

for (
  const [first, protocol] of [
    ["SSH-2.0-OpenSSH_9.6\r\n", "SSH"],
    ["SSH-1.99-x", "SSH"],
    ["Welcome\r\nto this host\nSSH-2.0-x\r\n", "SSH"],
    ["220 (vsFTPd 3.0.5)\r\n", "FTP"],
    ["220-Welcome\r\n", "FTP"],
    ["421 Too many connections\r\n", "FTP"],
    ["220 ftp.example.org ESMTP and FTP gateway\r\n", "FTP"],
    ["220 mail.example.org ESMTP Postfix\r\n", "SMTP"],
    ["HTTP/1.1 400 Bad Request\r\n", "HTTP"],
    ["\x15\x03\x01\x00\x02\x02\x46", "TLS"],
    ["\x16\x03\x03\x00\x5a\x02", "TLS"],
    ["* OK IMAP4rev1\r\n", "IMAP"],
    ["+OK ready\r\n", "POP3"],
    ["@RSYNCD: 31.0\n", "rsync"],
    ["RFB 003.008\n", "VNC"],
    ["", undefined],
    ["22", undefined],
    ["220 begins", undefined],
    ["HT", undefined],
    ["hello\r\n", undefined],
    ["\x15", undefined],
    ["\x15\x01", undefined],
  ] as const
) {
  Deno.test(`peerProtocol() of ${JSON.stringify(first)} is ${protocol}`, () => {
    assert.equal(detectProtocol(bytes(first)), protocol);
  });
}

Deno.test("wrongProtocol() says nothing of the protocol that was wanted, nor of an unknown one", () => {
  const right: Readonly<Record<ExpectedProtocol, string>> = {
    ssh: "SSH-2.0-x\r\n",
    ftp: "220 x\r\n",
    ftps: "\x16\x03\x03",
    http: "HTTP/1.1 200",
    https: "\x15\x03\x03",
  };
  for (const [wanted, text] of Object.entries(right)) {
    assert.equal(explainWrongProtocol(bytes(text), wanted as ExpectedProtocol), undefined);
    assert.equal(explainWrongProtocol(bytes("hello\r\n"), wanted as ExpectedProtocol), undefined);
    const others = Object.values(right).map((other) => explainWrongProtocol(bytes(other), wanted as ExpectedProtocol));
    assert.ok(others.filter((one) => one !== undefined).length >= 3, wanted);
  }
});

Deno.test("wrongPeer() names the server's protocol and the scheme to write instead", () => {
  assert.match(explainWrongPeer("SSH", "ftp"), /^an SSH server answers on this port: .*sftp:\/\//);
  assert.match(explainWrongPeer("FTP", "ftps"), /^an FTP server answers without TLS: write ftpes:\/\//);
  assert.match(explainWrongPeer("FTP", "http"), /^an FTP server answers .*write ftp:\/\//);
  assert.match(explainWrongPeer("HTTP", "https"), /^an HTTP server answers without TLS: write dav:\/\//);
  assert.match(explainWrongPeer("HTTP", "ssh"), /^an HTTP server answers .*dav:\/\//);
  assert.match(explainWrongPeer("TLS", "ftp"), /expects TLS on this port: write ftps:\/\//);
  assert.match(explainWrongPeer("TLS", "http"), /expects TLS on this port: write davs:\/\/ .*https:\/\//);
  assert.match(explainWrongPeer("POP3", "ssh"), /^a POP3 server answers on this port: check the port$/);
});

Deno.test("demandsTls() knows the sentence of nginx, Apache, Go and Tomcat, and no other bad request", () => {
  for (
    const text of [
      "<center>The plain HTTP request was sent to HTTPS port</center>",
      "Reason: You're speaking plain HTTP to an SSL-enabled server port.",
      "Client sent an HTTP request to an HTTPS server.\n",
      "Bad Request\r\nThis combination of host and port requires TLS.\r\n",
    ]
  ) assert.ok(requiresTls(text), text);
  assert.ok(!requiresTls("Bad Request: the depth is not supported"));
});
