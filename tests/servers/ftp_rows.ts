import { type RemoteServer, remoteServerKind } from "../support/targets/remote_server.ts";
import { startFtpSrv, startInetutils, startPyftpdlib } from "./ftp_servers.ts";
import { type Expectation, type MatrixServer, type Row, type StartedRow, works } from "./row.ts";

/** The only empty one of the hard names is "plain". */
const noEmptyFile: Expectation = {
  kind: "degraded",
  how:
    "files have the time of their upload, said in one warning; empty files, and names with a backslash or a quote, fail",
  unfit: /[\\"]|^plain$/,
  losesTimes: true,
  says: /has no command that sets the time|taken for unchanged by size and time/,
};
const noBlankAtTheEnd: Expectation = {
  kind: "degraded",
  how: "names that hold a backslash, or a blank at their end, are refused",
  unfit: /\\| $/,
};

export const ftpRows: readonly Row[] = [
  { ...known("vsftpd", "ftp vsftpd"), isQuick: true },
  known("vsftpd (explicit TLS)", "ftpes vsftpd"),
  known("vsftpd (implicit TLS)", "ftps vsftpd"),
  known("ProFTPD", "ftp proftpd"),
  known("ProFTPD (explicit TLS)", "ftpes proftpd"),
  known("Pure-FTPd", "ftp pure-ftpd", { expects: noBlankAtTheEnd }),
  known("Pure-FTPd (explicit TLS)", "ftpes pure-ftpd", { expects: noBlankAtTheEnd }),
  started("pyftpdlib", { recipes: ["pyftpdlib"], start: () => startPyftpdlib() }),
  started("pyftpdlib (explicit TLS)", { recipes: ["pyftpdlib"], start: () => startPyftpdlib({ tls: true }) }),
  started("inetutils-ftpd", {
    recipes: ["inetutils"],
    needsRoot: true,
    expects: {
      kind: "degraded",
      how: "files have the time of their upload, said in one warning",
      says: /has no command that sets the time/,
      losesTimes: true,
    },
    start: startInetutils,
  }),
  started("ftp-srv", { recipes: ["ftp-srv"], expects: noEmptyFile, start: startFtpSrv }),
];

function started(name: string, { expects = works, ...row }: StartedRow): Row {
  return { protocol: "FTP", name, expects, ...row };
}

function known(
  name: string,
  kind: string,
  more: { readonly config?: readonly string[]; readonly expects?: Expectation } = {},
): Row {
  const { server, start } = remoteServerKind(kind);
  return {
    protocol: "FTP",
    name,
    recipes: [server],
    expects: more.expects ?? works,
    start: async () => fromRemoteServer(await start(more.config)),
  };
}

/** A server of the end-to-end tests as one of the table. */
export function fromRemoteServer(server: RemoteServer): MatrixServer {
  return {
    port: server.port,
    root: server.root.replace(/\/$/, ""),
    disk: server.disk,
    env: server.env,
    login: (path, port) => ({ address: server.address(path, port), params: server.params }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
