import { ensureServer } from "../support/servers/install.ts";
import { remoteServerKind } from "../support/targets/remote_server.ts";
import { fromRemoteServer } from "./ftp_rows.ts";
import { startNginx, startNpmWebdav } from "./dav_servers.ts";
import { type Expectation, type Row, type StartedRow, works } from "./row.ts";

const debianModules = [
  "dir",
  "autoindex",
  "negotiation",
  "deflate",
  "env",
  "setenvif",
  "filter",
  "access_compat",
  "reqtimeout",
  "status",
  "authz_host",
];

/** nginx sets no times, and lists no name that begins with a dot. */
const hidesDots: Expectation = {
  kind: "degraded",
  how:
    "files have the time of their upload; it hides names that begin with a dot: their files fail in later runs, and empty folders are kept",
  losesTimes: true,
  unfit: /(?:^|\/)\./,
  holdsRemovals: true,
};

/** mod_dir answers every request for a folder that holds an index page with that page. */
const hidesIndexed: Expectation = {
  kind: "degraded",
  how: "a folder that holds an index page is listed only after `DirectoryIndex disabled`, as the message says",
  unfit: /(?:^|\/)index\.html$/,
};

export const davRows: readonly Row[] = [
  {
    ...known("Apache with Debian's modules", "dav apache", {
      expects: hidesIndexed,
      config: (modules) => [
        ...debianModules.map((name) =>
          `<IfModule !${name}_module>\nLoadModule ${name}_module ${modules}/mod_${name}.so\n</IfModule>`
        ),
        "DirectoryIndex index.html index.cgi index.pl index.php index.xhtml index.htm",
      ],
    }),
    isQuick: true,
  },
  known("Apache (Digest)", "dav apache-digest", { expects: hidesIndexed }),
  known("Apache (TLS)", "davs apache over TLS", { expects: hidesIndexed }),
  known("nginx with LOCK", "dav nginx", { expects: hidesDots }),
  known("lighttpd without mime types", "dav lighttpd"),
  known("lighttpd with mime types", "dav lighttpd", {
    config:
      () => ['mimetype.assign = (".html" => "text/html", ".txt" => "text/plain", "" => "application/octet-stream")'],
  }),
  known("rclone serve webdav", "dav rclone", {
    expects: { kind: "degraded", how: "files have the time of their upload", losesTimes: true },
  }),
  started("nginx without LOCK", {
    recipes: ["nginx"],
    expects: hidesDots,
    start: () => startNginx({ ext: true }),
  }),
  started("nginx without dav-ext", {
    recipes: ["nginx"],
    expects: {
      kind: "refused",
      how: "it lists no folders (PROPFIND)",
      code: 2,
      says: /does not speak WebDAV at ".*" \(status 405\)/,
    },
    start: () => startNginx({ ext: false }),
  }),
  started("webdav-server", {
    recipes: ["webdav-server"],
    expects: {
      kind: "degraded",
      how: "files have the time of their upload; names that hold a backslash are refused",
      unfit: /\\/,
      losesTimes: true,
    },
    start: startNpmWebdav,
  }),
];

function started(name: string, { expects = works, ...row }: StartedRow): Row {
  return { protocol: "WebDAV", name, expects, ...row };
}

function known(
  name: string,
  kind: string,
  more: { readonly config?: (modules: string) => readonly string[]; readonly expects?: Expectation } = {},
): Row {
  const { server, start } = remoteServerKind(kind);
  return {
    protocol: "WebDAV",
    name,
    recipes: [server],
    expects: more.expects ?? works,
    async start() {
      const found = ensureServer(server);
      const root = "place" in found ? found.place.root : "";
      return fromRemoteServer(await start(more.config?.(`${root}/usr/lib/apache2/modules`)));
    },
  };
}
