import type { ProtocolOption } from "../../core/protocol.ts";

/** The options for an access key and its secret, which S3-compatible stores accept too. */
export const keyOptions = [
  {
    name: "AccessKey",
    kind: "text",
    aliases: ["AccessKeyId"],
    help:
      "The access key that logs in, with -SecretKey; else the environment, ~/.aws, SSO or this machine's role does. For gs: an HMAC key.",
  },
  {
    name: "SecretKey",
    kind: "secret",
    aliases: ["SecretAccessKey"],
    help: "The secret of that key; -PasswordFile and TANDEM_PASSWORD give it too, and show in no list of processes.",
  },
] as const satisfies readonly ProtocolOption[];

/**
 * The options that S3 adds to New-Session, Sync-Path and Compare-Path. -Timeout belongs to every protocol and is
 * defined elsewhere.
 */
export const s3Options = [
  {
    name: "Region",
    kind: "text",
    help: "The region of the bucket; AWS_REGION or the profile's by default, us-east-1 where none is known.",
  },
  {
    name: "Endpoint",
    kind: "text",
    help: 'The store that holds the bucket, where it is not Amazon\'s: "https://minio.example:9000".',
  },
  {
    name: "PathStyle",
    kind: "toggle",
    help: "Writes the bucket into the path instead of the host name, as most stores of one's own want it.",
  },
  {
    name: "Profile",
    kind: "text",
    help: "The profile of ~/.aws/config and ~/.aws/credentials that logs in.",
  },
  ...keyOptions,
  {
    name: "SessionToken",
    kind: "secret",
    help: "The token of a temporary key.",
  },
  {
    name: "PartSize",
    kind: "number",
    help: "MiB of the parts that larger files are sent in, 8 by default, 5 at least.",
  },
  {
    name: "StorageClass",
    kind: "text",
    help: "The storage class of what is written: STANDARD_IA, GLACIER_IR …",
  },
  {
    name: "Acl",
    kind: "text",
    values: [
      "private",
      "public-read",
      "public-read-write",
      "authenticated-read",
      "bucket-owner-read",
      "bucket-owner-full-control",
    ],
    help: "The canned ACL of what is written; the bucket's own rules by default.",
  },
  {
    name: "CacheControl",
    kind: "text",
    help: 'How long browsers may keep what is written: "max-age=3600".',
  },
  {
    name: "ServerSideEncryption",
    kind: "text",
    values: ["AES256", "aws:kms", "aws:kms:dsse"],
    help: "How the store encrypts what is written; as the bucket says by default.",
  },
  {
    name: "RequesterPays",
    kind: "toggle",
    help: "Agrees to pay for the requests to somebody else's bucket.",
  },
  {
    name: "AllowInsecure",
    kind: "toggle",
    help: "Lets content travel over http: to another machine, where everybody on the way can read it.",
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
