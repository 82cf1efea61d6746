import { join } from "node:path";
import { testCertificate } from "../support/servers/small_dav.ts";
import { npmProgram, type Prepared, python, type Setup, startProgram } from "./launch.ts";
import type { MatrixServer } from "./row.ts";

const pinned = ["-TlsHostCertificateFingerprint", testCertificate.fingerprint];

export function startPyftpdlib({ tls = false }: { readonly tls?: boolean } = {}): Promise<MatrixServer> {
  return startProgram("pyftpdlib", {}, async (setup) => {
    const { disk, port, user, password } = setup;
    const more = tls ? [await writeCertificate(setup)] : [];
    return ftp("/files", {
      command: python("pyftpdlib_server.py", `${port}`, join(disk, ".."), user, password, ...more),
      tls,
    });
  });
}

/** inetutils' ftpd, which the test's own inetd starts for each connection. */
export function startInetutils(): Promise<MatrixServer> {
  return startProgram("inetutils", { systemUser: true }, ({ disk, port, place }) => {
    const command = python("inetd.py", `${port}`, `${place.root}/usr/sbin/ftpd`);
    return Promise.resolve(ftp(disk, { command, tls: false }));
  });
}

/** Over TLS it sends no reply after a large upload, to other clients either. */
export function startFtpSrv(): Promise<MatrixServer> {
  return startProgram("ftp-srv", {}, ({ disk, port, user, password }) => {
    const command = npmProgram("ftp-srv", "ftp_srv.mjs", `${port}`, join(disk, ".."), user, password);
    return Promise.resolve(ftp("/files", { command, tls: false }));
  });
}

/** Writes a certificate with its key as one file. */
async function writeCertificate({ dir }: Setup): Promise<string> {
  const path = join(dir, "both.pem");
  await Deno.writeTextFile(path, testCertificate.key + testCertificate.cert, { mode: 0o600 });
  return path;
}

function ftp(root: string, { command, tls }: { readonly command: readonly string[]; readonly tls: boolean }): Prepared {
  return { command, root, scheme: tls ? "ftpes" : "ftp", params: tls ? pinned : [], greets: true };
}
