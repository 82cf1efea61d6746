import { clientCertificateOptions } from "../../net/client_certificate.ts";
import type { ProtocolOption } from "../../core/protocol.ts";
import { noTempOption } from "../shared/direct_writes.ts";

/**
 * The options that WebDAV adds to New-Session, Sync-Path and Compare-Path. -Timeout is common to all protocols and is
 * defined elsewhere.
 */
export const webdavOptions = [
  {
    name: "Secure",
    kind: "toggle",
    aliases: ["WebdavSecure"],
    help: "Speaks TLS, as davs: and https: do.",
  },
  {
    name: "RootPath",
    kind: "text",
    aliases: ["WebdavRoot"],
    help: 'The folder to start in when the address names none: "/remote.php/dav/files/me".',
  },
  {
    name: "Auth",
    kind: "text",
    values: ["Auto", "Basic", "Digest", "Bearer"],
    help:
      "How to log in. Auto takes the best that the server offers; Basic sends the login with the first request; with Bearer the password is the token.",
  },
  {
    name: "AllowInsecure",
    kind: "toggle",
    help: "Lets a password travel over http: to another machine, where everybody on the way can read it.",
  },
  {
    name: "TlsHostCertificateFingerprint",
    kind: "list",
    help: "The SHA-256 fingerprint of the certificate that must answer, one of several; it decides alone.",
  },
  {
    name: "AcceptAltered",
    kind: "toggle",
    help: "Takes what the server makes of a file that it alters as it arrives, though its size is then another.",
  },
  noTempOption,
  ...clientCertificateOptions,
  {
    name: "Connections",
    kind: "number",
    help: "How many connections may be open side by side.",
  },
  {
    name: "MaxFolderListing",
    kind: "number",
    help: "How many MiB the listing of one folder may have, 64 by default; beyond that the server is not believed.",
  },
] as const satisfies readonly ProtocolOption[];
