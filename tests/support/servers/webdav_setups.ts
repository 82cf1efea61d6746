import { join } from "node:path";

/** "apache-digest" is the same Apache at /digest/. */
export type DavKind = "apache" | "apache-digest" | "nginx" | "lighttpd" | "rclone" | "svn";

/** What a server is set up with. `root`: where its packages were unpacked, "" for the system. */
export interface Setup {
  readonly dir: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly isRoot: boolean;
  readonly root: string;
  readonly config: readonly string[];
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** How to start a server in the foreground. */
export interface Start {
  readonly program: string;
  readonly args: readonly string[];
}

/** The name of each kind's recipe. */
export const recipeOf: Readonly<Record<DavKind, string>> = {
  "apache": "webdav",
  "apache-digest": "webdav",
  "nginx": "nginx",
  "lighttpd": "lighttpd",
  "rclone": "rclone",
  "svn": "svn",
};

/** Writes a server's configuration and tells how to start it. */
export const setups: Readonly<Record<DavKind, (setup: Setup) => Promise<Start>>> = {
  "apache": apache,
  "apache-digest": apache,
  "nginx": nginx,
  "lighttpd": lighttpd,
  "rclone": rclone,
  "svn": subversion,
};

async function apache({ dir, port, root, isRoot, config, tls }: Setup): Promise<Start> {
  const modules = [
    ...["mpm_event", "authn_core", "authz_core", "authn_file", "authz_user", "auth_digest", "auth_basic"],
    // As Debian enables them.
    ...["dir", "autoindex", "negotiation", "deflate", "filter", "reqtimeout", "setenvif"],
    ...["dav", "dav_fs", "dav_lock", "alias", "mime", ...(tls === undefined ? [] : ["socache_shmcb", "ssl"])],
  ];
  const secured = async () => {
    if (tls === undefined) return [];
    await Deno.writeTextFile(join(dir, "cert.pem"), tls.cert);
    await Deno.writeTextFile(join(dir, "key.pem"), tls.key);
    return [
      "SSLEngine on",
      `SSLCertificateFile ${join(dir, "cert.pem")}`,
      `SSLCertificateKeyFile ${join(dir, "key.pem")}`,
    ];
  };
  await Deno.writeTextFile(join(dir, "mime.types"), "");
  return await written(join(dir, "apache.conf"), [
    `ServerRoot ${dir}`,
    "ServerName localhost",
    `Listen 127.0.0.1:${port}`,
    `PidFile ${join(dir, "pid")}`,
    `ErrorLog ${join(dir, "err.log")}`,
    ...modules.map((name) => `LoadModule ${name}_module ${root}/usr/lib/apache2/modules/mod_${name}.so`),
    `TypesConfig ${join(dir, "mime.types")}`,
    "DirectoryIndex index.html index.php",
    "AddOutputFilterByType DEFLATE text/html text/plain text/xml application/xml",
    ...(isRoot ? ["User www-data", "Group www-data"] : []),
    'LogFormat "%m %U %>s" plain',
    `CustomLog ${join(dir, "access.log")} plain`,
    `DavLockDB ${join(dir, "var", "lock")}`,
    `DefaultRuntimeDir ${join(dir, "var")}`,
    "KeepAlive On",
    "MaxKeepAliveRequests 0",
    `DocumentRoot ${join(dir, "data")}`,
    `Alias /digest ${join(dir, "data")}`,
    `<Directory ${join(dir, "data")}>`,
    "Dav On",
    "AllowOverride None",
    "AuthType Basic",
    "AuthName dav",
    `AuthUserFile ${join(dir, "htpasswd")}`,
    "Require valid-user",
    "</Directory>",
    "<Location /digest>",
    "AuthType Digest",
    "AuthName dav",
    `AuthUserFile ${join(dir, "htdigest")}`,
    "Require valid-user",
    "</Location>",
    ...await secured(),
    ...config,
  ], { program: `${root}/usr/sbin/apache2`, args: ["-DFOREGROUND", "-f", join(dir, "apache.conf")] });
}

/** Apache with a Subversion repository. `config`: lines within its Location. */
async function subversion({ dir, port, root, isRoot, config }: Setup): Promise<Start> {
  const repository = join(dir, "data", "repository");
  const made = await new Deno.Command(`${root}/usr/bin/svnadmin`, { args: ["create", repository] }).output();
  if (!made.success) throw new Error("svnadmin made no repository");
  if (isRoot) await new Deno.Command("chown", { args: ["-R", "www-data", repository] }).output();
  const modules = ["mpm_event", "authn_core", "authz_core", "authn_file", "authz_user", "auth_basic", "dav", "dav_svn"];
  return await written(join(dir, "apache.conf"), [
    `ServerRoot ${dir}`,
    "ServerName localhost",
    `Listen 127.0.0.1:${port}`,
    `PidFile ${join(dir, "pid")}`,
    `ErrorLog ${join(dir, "err.log")}`,
    ...modules.map((name) => `LoadModule ${name}_module ${root}/usr/lib/apache2/modules/mod_${name}.so`),
    ...(isRoot ? ["User www-data", "Group www-data"] : []),
    'LogFormat "%m %U %>s" plain',
    `CustomLog ${join(dir, "access.log")} plain`,
    `DefaultRuntimeDir ${join(dir, "var")}`,
    `DocumentRoot ${join(dir, "data")}`,
    "<Location /svn>",
    "DAV svn",
    `SVNPath ${repository}`,
    "AuthType Basic",
    "AuthName dav",
    `AuthUserFile ${join(dir, "htpasswd")}`,
    "Require valid-user",
    ...config,
    "</Location>",
  ], { program: `${root}/usr/sbin/apache2`, args: ["-DFOREGROUND", "-f", join(dir, "apache.conf")] });
}

async function nginx({ dir, port, root, isRoot, config }: Setup): Promise<Start> {
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return await written(join(dir, "nginx.conf"), [
    `load_module ${root}/usr/lib/nginx/modules/ngx_http_dav_ext_module.so;`,
    ...(isRoot ? ["user www-data;"] : []),
    "daemon off;",
    `pid ${join(dir, "pid")};`,
    `error_log ${join(dir, "err.log")};`,
    "events {}",
    "http {",
    'log_format plain "$request_method $uri $status";',
    `access_log ${join(dir, "access.log")} plain;`,
    ...temps.map((name) => `${name}_temp_path ${join(dir, "tmp", name)};`),
    "dav_ext_lock_zone zone=locks:10m;",
    "client_max_body_size 0;",
    "keepalive_requests 1000000;",
    "server {",
    `listen 127.0.0.1:${port};`,
    "location / {",
    `root ${join(dir, "data")};`,
    'auth_basic "dav";',
    `auth_basic_user_file ${join(dir, "htpasswd")};`,
    "dav_methods PUT DELETE MKCOL COPY MOVE;",
    "dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;",
    "dav_ext_lock zone=locks;",
    "dav_access user:rw group:r all:r;",
    ...config,
    "} } }",
  ], {
    program: `${root}/usr/sbin/nginx`,
    args: ["-c", join(dir, "nginx.conf"), "-p", dir, "-e", join(dir, "err.log")],
  });
}

async function lighttpd({ dir, port, root, isRoot, config }: Setup): Promise<Start> {
  return await written(join(dir, "lighttpd.conf"), [
    'server.modules = ("mod_auth", "mod_authn_file", "mod_webdav", "mod_accesslog")',
    `server.document-root = "${join(dir, "data")}"`,
    `server.upload-dirs = ("${join(dir, "tmp")}")`,
    'server.bind = "127.0.0.1"',
    `server.port = ${port}`,
    `server.pid-file = "${join(dir, "pid")}"`,
    `server.errorlog = "${join(dir, "err.log")}"`,
    `accesslog.filename = "${join(dir, "access.log")}"`,
    'accesslog.format = "%m %U %s"',
    "server.max-keep-alive-requests = 100000",
    ...(isRoot ? ['server.username = "www-data"'] : []),
    'webdav.activate = "enable"',
    'webdav.is-readonly = "disable"',
    `webdav.sqlite-db-name = "${join(dir, "var", "dav.db")}"`,
    'auth.backend = "htpasswd"',
    `auth.backend.htpasswd.userfile = "${join(dir, "htpasswd")}"`,
    'auth.require = ("/" => ("method" => "basic", "realm" => "dav", "require" => "valid-user"))',
    ...config,
  ], {
    program: `${root}/usr/sbin/lighttpd`,
    args: ["-D", "-f", join(dir, "lighttpd.conf"), ...(root === "" ? [] : ["-m", `${root}/usr/lib/lighttpd`])],
  });
}

function rclone({ dir, port, root, user, password, config }: Setup): Promise<Start> {
  const words = ["serve", "webdav", join(dir, "data"), "--addr", `127.0.0.1:${port}`, "--etag-hash", "MD5"];
  const login = ["--user", user, "--pass", password, "--config", "/dev/null"];
  // rclone stops at a certificate bundle meant for others.
  const args = ["-u", "AWS_CA_BUNDLE", `${root}/usr/bin/rclone`, ...words, ...login, ...config];
  return Promise.resolve({ program: "env", args });
}

async function written(path: string, lines: readonly string[], start: Start): Promise<Start> {
  await Deno.writeTextFile(path, lines.join("\n") + "\n");
  return start;
}
