import { noTempOption } from "../shared/direct_writes.ts";
import { clientCertificateOptions } from "../../net/client_certificate.ts";
import type { ProtocolOption } from "../../core/protocol.ts";

/**
 * The options that FTP adds to New-Session, Sync-Path and Compare-Path. -Timeout is common to all protocols and is
 * defined elsewhere.
 */
export const ftpOptions = [
  {
    name: "FtpSecure",
    kind: "text",
    values: ["None", "Auto", "Implicit", "Explicit"],
    help: "TLS: Auto uses it if the server offers it, Explicit requires it, Implicit begins with it.",
  },
  {
    name: "FtpMode",
    kind: "text",
    values: ["Passive", "Active", "Auto"],
    help:
      "The side that opens data connections. Passive: this machine; Active: the server; Auto: the server if it must.",
  },
  {
    name: "TlsHostCertificateFingerprint",
    kind: "list",
    help: "The SHA-256 of the certificate that must answer, one of several; then no authority is asked.",
  },
  ...clientCertificateOptions,
  {
    name: "FtpEncoding",
    aliases: ["Encoding"],
    kind: "text",
    help:
      "The server's encoding of names, utf8 by default: latin1, cp1252, cp1251, koi8-r, gbk, big5, shift_jis and others.",
  },
  {
    name: "ReconnectTime",
    kind: "duration",
    help: "How long a broken connection is dialled again before the run gives up, 2m by default, 0 for never.",
  },
  {
    name: "Connections",
    kind: "number",
    help: "The highest number of connections, 8 by default, 12 at high latency; fewer if the server refuses more.",
  },
  noTempOption,
] as const satisfies readonly ProtocolOption[];
