import { keyOptions } from "../s3/options.ts";
import type { ProtocolOption } from "../../core/protocol.ts";

/**
 * The options that Google Cloud Storage adds to New-Session, Sync-Path and Compare-Path. -Timeout belongs to every
 * protocol and is defined elsewhere.
 */
export const gcsOptions = [
  {
    name: "KeyFile",
    kind: "text",
    help:
      "The JSON file of a service account, or of gcloud's login; GOOGLE_APPLICATION_CREDENTIALS, gcloud's own file and the machine's account otherwise.",
  },
  ...keyOptions,
  {
    name: "UserProject",
    kind: "text",
    help: "The project that pays, where a bucket lets those pay who ask.",
  },
  {
    name: "Endpoint",
    kind: "text",
    help: "Another server than the provider's own: https://host, or http://127.0.0.1:4443 of an emulator.",
  },
  {
    name: "AllowInsecure",
    kind: "toggle",
    help: "Lets credentials travel over http: to another machine, where everybody on the way can read them.",
  },
  {
    name: "TlsHostCertificateFingerprint",
    kind: "list",
    help: "The SHA-256 fingerprint of the certificate that must answer, one of several; it decides alone.",
  },
  {
    name: "Connections",
    kind: "number",
    help: "How many connections may be open side by side.",
  },
] as const satisfies readonly ProtocolOption[];
