import type { Protocol } from "./backend.ts";
import { ftpOptions } from "./ftp_options.ts";
import { gcsOptions } from "./gcs_options.ts";
import { s3Options } from "./s3_options.ts";
import { sftpOptions } from "./sftp_options.ts";
import { webdavOptions } from "./webdav_options.ts";

export type { Address, Backend, Protocol, ProtocolOption } from "./backend.ts";
export { followLinks } from "./follow.ts";
export { openLocal } from "./local.ts";

/** The protocol table: one row a protocol. Its client library is imported when load() is called. */
export const protocols = [
  {
    schemes: ["file"],
    names: ["File"],
    defaultPort: undefined,
    local: true,
    options: [],
    load: async () => (await import("./local.ts")).openFile,
  },
  {
    schemes: ["sftp", "scp"],
    names: ["Sftp", "Scp"],
    defaultPort: 22,
    options: sftpOptions,
    load: async () => (await import("./sftp.ts")).openSftp,
  },
  {
    schemes: ["ftp", "ftps", "ftpes"],
    names: ["Ftp"],
    defaultPort: 21,
    options: ftpOptions,
    load: async () => (await import("./ftp.ts")).openFtp,
  },
  {
    schemes: ["dav", "davs", "http", "https"],
    names: ["Webdav"],
    defaultPort: 80,
    options: webdavOptions,
    load: async () => (await import("./webdav.ts")).openWebdav,
  },
  {
    schemes: ["gs"],
    names: ["Gcs"],
    defaultPort: 443,
    buckets: true,
    options: gcsOptions,
    load: async () => (await import("./gcs.ts")).openGcs,
  },
  {
    schemes: ["s3", "spaces", "r2"],
    names: ["S3", "Spaces", "R2"],
    defaultPort: undefined,
    buckets: true,
    options: s3Options,
    load: async () => (await import("./s3.ts")).openS3,
  },
] as const satisfies readonly Protocol[];

/** The row of a scheme ("sftp", without the colon, in any case); undefined for an unknown one. */
export function findProtocol(scheme: string): Protocol | undefined {
  const wanted = scheme.toLowerCase();
  const rows: readonly Protocol[] = protocols;
  return rows.find((row) => row.schemes.includes(wanted));
}
