import { ensureServer } from "../support/servers/install.ts";
import { remoteServerKind } from "../support/targets/remote_server.ts";
import { fromRemoteServer } from "./ftp_rows.ts";
import { type Expectation, type Row, works } from "./row.ts";

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

export const davRows: readonly Row[] = [
  {
    ...known("Apache with Debian's modules", "dav apache", {
      config: (modules) => [
        ...debianModules.map((name) =>
          `<IfModule !${name}_module>\nLoadModule ${name}_module ${modules}/mod_${name}.so\n</IfModule>`
        ),
        "DirectoryIndex index.html index.cgi index.pl index.php index.xhtml index.htm",
      ],
    }),
    isQuick: true,
  },
  known("Apache, Digest", "dav apache-digest"),
  known("Apache, TLS", "dav apache over TLS".replace("dav", "davs")),
  known("nginx with LOCK", "dav nginx"),
  known("lighttpd", "dav lighttpd"),
  known("rclone serve webdav", "dav rclone"),
];

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
