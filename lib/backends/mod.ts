import { ftpOptions } from "./ftp/options.ts";
import { gcsOptions } from "./gcs/options.ts";
import { s3Options } from "./s3/options.ts";
import { sftpOptions } from "./sftp/options.ts";
import { webdavOptions } from "./webdav/options.ts";
import type { Protocol } from "../core/protocol.ts";

export type { Backend } from "../core/backend.ts";
export type { Address, Protocol, ProtocolOption, ServerMemory } from "../core/protocol.ts";
export { followLinks } from "./layers/follow_links.ts";
export { openLocal } from "./local/mod.ts";

/** The protocol table: one row per protocol. Its client library is imported when load() is called. */
export const protocols = [
  {
    schemes: ["file"],
    names: ["File"],
    defaultPort: undefined,
    local: true,
    options: [],
    load: async () => (await import("./local/mod.ts")).openFile,
  },
  {
    schemes: ["sftp", "scp"],
    names: ["Sftp", "Scp"],
    defaultPort: 22,
    options: sftpOptions,
    load: async () => (await import("./sftp/mod.ts")).openSftp,
  },
  {
    schemes: ["ftp", "ftps", "ftpes"],
    names: ["Ftp"],
    defaultPort: 21,
    options: ftpOptions,
    load: async () => (await import("./ftp/mod.ts")).openFtp,
  },
  {
    schemes: ["dav", "davs", "http", "https"],
    names: ["Webdav"],
    defaultPort: 80,
    options: webdavOptions,
    load: async () => (await import("./webdav/mod.ts")).openWebdav,
  },
  {
    schemes: ["gs"],
    names: ["Gcs"],
    defaultPort: 443,
    buckets: true,
    options: gcsOptions,
    load: async () => (await import("./gcs/mod.ts")).openGcs,
  },
  {
    schemes: ["s3", "spaces", "r2"],
    names: ["S3", "Spaces", "R2"],
    defaultPort: undefined,
    buckets: true,
    options: s3Options,
    load: async () => (await import("./s3/mod.ts")).openS3,
  },
] as const satisfies readonly Protocol[];

/** Returns the row of a scheme ("sftp", without the colon, in any case); undefined for an unknown one. */
export function findProtocol(scheme: string, rows: readonly Protocol[] = protocols): Protocol | undefined {
  const wanted = scheme.toLowerCase();
  return rows.find((row) => row.schemes.includes(wanted));
}
