import { existsSync } from "node:fs";
import { testCertificate } from "../servers/small_dav.ts";
import {
  type FtpServer,
  type FtpServerOptions,
  type FtpTls,
  mutationsOf,
  startProftpd,
  startPureftpd,
  startVsftpd,
} from "../servers/ftp.ts";
import { type DavKind, type DavOptions, davRecipe, startDav } from "../servers/webdav.ts";

/** A server of any protocol with one user, as the program is told of it. */
export interface RemoteServer extends AsyncDisposable {
  readonly port: number;
  /** An empty folder of this disk, and as the server names it. */
  readonly disk: string;
  readonly root: string;
  /** The address of a folder that the server names so; through another port where one is given. */
  address(path: string, port?: number): string;
  /** Parameters that every run needs. */
  readonly params: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Commands or requests so far that changed something; undefined where the server keeps no log of them. */
  mutations(): Promise<readonly string[] | undefined>;
}

/** One more kind of server, which tests can start. `server`: its recipe. */
export interface RemoteServerKind {
  readonly name: string;
  /** The protocol's folder in lib/backends/. */
  readonly protocol: string;
  readonly server: string;
  /** Why a broken upload cannot go on where it broke. */
  readonly noUploadResume?: string;
  /** Whether the server hashes what a broken upload left, so that an altered one is noticed. */
  readonly provesLeftovers?: true;
  /** `config`: as the starters of the server take it. */
  start(config?: readonly string[]): Promise<RemoteServer>;
}

type StartFtp = (options: FtpServerOptions) => Promise<FtpServer>;

const schemes = { none: "ftp", explicit: "ftpes", implicit: "ftps" };
/** A server that remembers its folders does not see what tests do on the disk. */
const rcloneOptions: Partial<Record<DavKind, readonly string[]>> = { rclone: ["--dir-cache-time", "0s"] };
const NO_PARTIAL_PUT =
  "PUT brings the whole file or nothing: what a broken one left is removed by the server, or cannot be added to";
/** In memory where there is such a disk: lighttpd keeps properties in a database that waits for the disk. */
export const inMemory: Pick<DavOptions, "parent"> = existsSync("/dev/shm") ? { parent: "/dev/shm" } : {};
/** lighttpd takes parts of files only where it is told to. */
const PARTIAL_PUT_CONFIG = ['webdav.opts = ("partial-put-copy-modify" => "enable")'];

/** The FTP and WebDAV servers that the end-to-end tests go through; SFTP, S3 and GCS have pairs of their own. */
export const remoteServerKinds: readonly RemoteServerKind[] = [
  ftp("vsftpd", { server: "ftp", tls: "none", start: startVsftpd }),
  ftp("proftpd", { server: "proftpd", tls: "none", start: startProftpd, provesLeftovers: true }),
  ftp("pure-ftpd", { server: "pureftpd", tls: "none", start: startPureftpd }),
  ftp("vsftpd", { server: "ftp", tls: "explicit", start: startVsftpd }),
  ftp("proftpd", { server: "proftpd", tls: "explicit", start: startProftpd, provesLeftovers: true }),
  ftp("pure-ftpd", { server: "pureftpd", tls: "explicit", start: startPureftpd }),
  ftp("vsftpd", { server: "ftp", tls: "implicit", start: startVsftpd }),
  ftp("proftpd", { server: "proftpd", tls: "implicit", start: startProftpd, provesLeftovers: true }),
  dav("apache", { kind: "apache" }),
  dav("apache-digest", { kind: "apache-digest" }),
  dav("nginx", { kind: "nginx", noUploadResume: NO_PARTIAL_PUT }),
  dav("lighttpd", { kind: "lighttpd", ...inMemory, noUploadResume: NO_PARTIAL_PUT }),
  dav("lighttpd with partial PUT", { kind: "lighttpd", ...inMemory, config: PARTIAL_PUT_CONFIG }),
  dav("rclone", { kind: "rclone", noUploadResume: NO_PARTIAL_PUT }),
  dav("apache over TLS", { kind: "apache", tls: testCertificate }),
];

/** The kind of this name; throws for an unknown one. */
export function remoteServerKind(name: string): RemoteServerKind {
  const found = remoteServerKinds.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no kind "${name}"`);
  return found;
}

/** Gives everything below a folder of the disk to the folder's owner: the user that the server runs as. */
export async function chownAll(folder: string): Promise<void> {
  if (Deno.uid() !== 0) return;
  const { uid, gid } = await Deno.stat(folder);
  const visit = async (dir: string) => {
    for await (const { name, isDirectory } of Deno.readDir(dir)) {
      await Deno.chown(`${dir}/${name}`, uid, gid);
      if (isDirectory) await visit(`${dir}/${name}`);
    }
  };
  await visit(folder);
}

function ftp(
  name: string,
  { server, tls, start, ...kind }: Pick<RemoteServerKind, "server" | "provesLeftovers"> & {
    readonly tls: FtpTls;
    readonly start: StartFtp;
  },
): RemoteServerKind {
  return {
    name: `${schemes[tls]} ${name}`,
    protocol: "ftp",
    server,
    ...kind,
    async start(config = []) {
      const running = await start({ tls, config });
      const user = running.user === undefined ? "" : `${running.user}@`;
      const logs = server !== "pureftpd";
      return {
        port: running.port,
        disk: running.disk,
        root: running.root,
        address: (path, port = running.port) => `${schemes[tls]}://${user}127.0.0.1:${port}${path}`,
        params: tls === "none" ? [] : ["-TlsHostCertificateFingerprint", running.fingerprint],
        env: running.password === undefined ? {} : { TANDEM_PASSWORD: running.password },
        mutations: async () => logs ? mutationsOf(await running.commands()) : undefined,
        [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
      };
    },
  };
}

type Dav = DavOptions & Pick<RemoteServerKind, "noUploadResume"> & { readonly kind: DavKind };

function dav(name: string, { noUploadResume, ...options }: Dav): RemoteServerKind {
  const { kind } = options;
  const scheme = options.tls === undefined ? "dav" : "davs";
  return {
    name: `${scheme} ${name}`,
    protocol: "webdav",
    server: davRecipe(kind),
    ...(noUploadResume === undefined ? {} : { noUploadResume }),
    async start(config = rcloneOptions[kind] ?? []) {
      const running = await startDav({ ...options, config: [...options.config ?? [], ...config] });
      return {
        port: running.port,
        disk: running.disk,
        root: running.root,
        address: (path, port = running.port) => `${scheme}://${running.user}@127.0.0.1:${port}${path}`,
        params: scheme === "dav" ? [] : ["-TlsHostCertificateFingerprint", testCertificate.fingerprint],
        env: { TANDEM_PASSWORD: running.password },
        mutations: async () => kind === "rclone" ? undefined : await running.mutations(),
        [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
      };
    },
  };
}
