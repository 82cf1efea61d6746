import { join } from "node:path";
import { ensureServer, freePort, type Installed, makeServerDir } from "./install.ts";

/** A kind of proxy as Debian has it. */
export type ProxyKind = "squid" | "tinyproxy" | "microsocks" | "dante";

/** A proxy on 127.0.0.1. Stopped by its process id. */
export interface ProxyServer extends AsyncDisposable {
  readonly port: number;
  /** "http://me@127.0.0.1:port": the value of -Proxy; without a user for dante, which knows those of the system alone. */
  readonly address: string;
  /** Undefined without a user. */
  readonly password: string | undefined;
  /** Returns what it has noted of its clients so far. */
  log(): Promise<string>;
}

/** The ports of servers over TLS, to which alone proxies connect as they are installed; undefined: to any. */
export interface ProxyPorts {
  readonly tls?: readonly number[];
}

const USER = "me";
const PASSWORD = "s3cret-of-the-proxy";

/** Starts it with the rules that it is installed with, but for the ports of TLS. */
export async function startProxyServer(kind: ProxyKind, { tls }: ProxyPorts): Promise<ProxyServer> {
  const found = ensureServer(kind);
  if ("missing" in found) throw new Error(`${kind} is missing: ${found.missing}`);
  await using stack = new AsyncDisposableStack();
  const dir = await makeServerDir("tandem-proxy-");
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const port = freePort();
  const { program, args } = await setups[kind]({ dir, port, tls, place: found.place });
  await Deno.writeTextFile(join(dir, "log"), "");
  await Deno.chmod(join(dir, "log"), 0o666);
  if (Deno.uid() === 0) await Deno.chmod(dir, 0o777);
  const out = await Deno.open(join(dir, "out"), { create: true, write: true });
  const child = new Deno.Command(found.place.root + program, {
    args: [...args],
    env: found.place.env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const saved = Promise.all([
    child.stdout.pipeTo(out.writable, { preventClose: true }),
    child.stderr.pipeTo(new WritableStream()),
  ]);
  stack.defer(async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    await child.status;
    await saved;
    out.close();
  });
  await listening(port);
  const isHttp = kind === "squid" || kind === "tinyproxy";
  const life = stack.move();
  return {
    port,
    address: `${isHttp ? "http" : "socks5h"}://${kind === "dante" ? "" : `${USER}@`}127.0.0.1:${port}`,
    password: kind === "dante" ? undefined : PASSWORD,
    log: () => Deno.readTextFile(join(dir, "log")),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

interface Setup {
  readonly dir: string;
  readonly port: number;
  readonly tls: readonly number[] | undefined;
  readonly place: Installed;
}

type SetUp = (setup: Setup) => Promise<{ readonly program: string; readonly args: readonly string[] }>;

const setups: Readonly<Record<ProxyKind, SetUp>> = {
  async squid({ dir, port, tls, place }) {
    const hash = await new Deno.Command("openssl", { args: ["passwd", "-apr1", PASSWORD] }).output();
    await Deno.writeTextFile(join(dir, "passwd"), `${USER}:${new TextDecoder().decode(hash.stdout)}`);
    const lines = [
      `http_port 127.0.0.1:${port}`,
      `auth_param basic program ${place.root}/usr/lib/squid/basic_ncsa_auth ${dir}/passwd`,
      "auth_param basic children 1",
      "acl known proxy_auth REQUIRED",
      ...(tls ?? ["1-65535"]).map((one) => `acl SSL_ports port ${one}`),
      ...["acl Safe_ports port 80", "acl Safe_ports port 443", "acl Safe_ports port 1025-65535"],
      ...["http_access deny !Safe_ports", "http_access deny CONNECT !SSL_ports", "http_access allow known"],
      "http_access deny all",
      ...[`access_log stdio:${dir}/log`, `cache_log ${dir}/cache.log`, `pid_filename ${dir}/pid`],
      ...[`coredump_dir ${dir}`, "netdb_filename none", "shutdown_lifetime 0 seconds", "pinger_enable off"],
      ...["buffered_logs off", "visible_hostname proxy.test"],
    ];
    await Deno.writeTextFile(join(dir, "conf"), `${lines.join("\n")}\n`);
    return { program: "/usr/sbin/squid", args: ["-N", "-f", join(dir, "conf")] };
  },
  async tinyproxy({ dir, port, tls }) {
    const lines = [
      ...[`Port ${port}`, "Listen 127.0.0.1", "Allow 127.0.0.1", `BasicAuth ${USER} ${PASSWORD}`],
      ...[`LogFile "${dir}/log"`, "LogLevel Connect", "Timeout 60", "MaxClients 100", "DisableViaHeader Yes"],
      ...(tls ?? []).map((one) => `ConnectPort ${one}`),
    ];
    await Deno.writeTextFile(join(dir, "conf"), `${lines.join("\n")}\n`);
    return { program: "/usr/bin/tinyproxy", args: ["-d", "-c", join(dir, "conf")] };
  },
  microsocks({ port }) {
    const args = ["-i", "127.0.0.1", "-p", String(port), "-u", USER, "-P", PASSWORD];
    return Promise.resolve({ program: "/usr/bin/microsocks", args });
  },
  async dante({ dir, port }) {
    const lines = [
      ...[`logoutput: ${dir}/log`, `internal: 127.0.0.1 port = ${port}`, "external: lo", "socksmethod: none"],
      ...["clientmethod: none", "user.privileged: root", "user.unprivileged: nobody"],
      "client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }",
      "socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 log: connect }",
    ];
    await Deno.writeTextFile(join(dir, "conf"), `${lines.join("\n")}\n`);
    return { program: "/usr/sbin/danted", args: ["-f", join(dir, "conf"), "-p", join(dir, "pid")] };
  },
};

async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      return connection.close();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error("the proxy did not start");
}
