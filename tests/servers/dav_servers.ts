import { join } from "node:path";
import { npmProgram, type Prepared, run, type Setup, startProgram } from "./launch.ts";
import type { MatrixServer } from "./row.ts";

/** nginx with its own WebDAV module, and with PROPFIND and OPTIONS of the other one if `ext` is given; neither knows LOCK here. */
export function startNginx({ ext }: { readonly ext: boolean }): Promise<MatrixServer> {
  return startProgram("nginx", {}, async (setup) => {
    const { dir, disk, port, place } = setup;
    const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    await writePasswords(setup);
    const conf = join(dir, "nginx.conf");
    const lines = [
      ...(ext ? [`load_module ${place.root}/usr/lib/nginx/modules/ngx_http_dav_ext_module.so;`] : []),
      ...(Deno.uid() === 0 ? ["user root;"] : []),
      "daemon off;",
      `pid ${dir}/pid;`,
      `error_log ${dir}/err.log;`,
      "events {}",
      "http {",
      "access_log off;",
      ...temps.map((name) => `${name}_temp_path ${dir}/${name};`),
      "client_max_body_size 0;",
      "server {",
      `listen 127.0.0.1:${port};`,
      "location / {",
      `root ${join(disk, "..")};`,
      'auth_basic "files";',
      `auth_basic_user_file ${dir}/htpasswd;`,
      "dav_methods PUT DELETE MKCOL COPY MOVE;",
      ...(ext ? ["dav_ext_methods PROPFIND OPTIONS;"] : []),
      "} } }",
    ];
    await Deno.writeTextFile(conf, lines.join("\n"));
    return dav([`${place.root}/usr/sbin/nginx`, "-c", conf, "-p", dir, "-e", join(dir, "err.log")]);
  });
}

export function startNpmWebdav(): Promise<MatrixServer> {
  return startProgram("webdav-server", {}, ({ disk, port, user, password }) => {
    const words = [`${port}`, join(disk, ".."), user, password];
    const command = npmProgram("webdav-server", "webdav_server.mjs", ...words);
    return Promise.resolve(dav(command));
  });
}

async function writePasswords({ dir, user, password }: Setup): Promise<void> {
  const hash = new TextDecoder().decode(await run("openssl", ["passwd", "-apr1", password])).trim();
  await Deno.writeTextFile(join(dir, "htpasswd"), `${user}:${hash}\n`);
}

function dav(command: readonly string[]): Prepared {
  return { command, root: "/files", scheme: "dav", params: [] };
}
