import { join } from "node:path";
import { ensureServer, freePort } from "./install.ts";

export interface S3Options {
  /** More lines of the [global] section. */
  readonly config?: readonly string[];
}

/** A Ceph RGW on 127.0.0.1 with a store in memory and one user. Stopped by its process ids. */
export interface S3Server extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** "http://127.0.0.1:port". */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Requests so far, "PUT /bucket/key?query 200". */
  requests(): Promise<readonly string[]>;
}

/** Starts a cluster of one monitor, one store and the gateway, and waits until that answers: some ten seconds. Rejects where Ceph is not installed (serverTest skips before that). */
export async function startS3(options: S3Options = {}): Promise<S3Server> {
  const found = ensureServer("s3");
  if ("missing" in found) throw new Error(`s3 is missing: ${found.missing}`);
  for (let attempt = 1;; attempt++) {
    try {
      return await start(options);
    } catch (error) {
      // Another test may have taken a port between finding it free and listening there.
      if (attempt === 3) throw error;
    }
  }
}

async function start({ config = [] }: S3Options): Promise<S3Server> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "tandem-s3-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  for (const name of ["mon", "osd", "run", "log"]) await Deno.mkdir(join(dir, name));
  const place: Cluster = { dir, id: crypto.randomUUID(), port: freePort(), monitor: freePort(), old: freePort() };
  await Deno.writeTextFile(join(dir, "ceph.conf"), confOf(place, config));
  const ran = (program: string, ...args: string[]) => run(place, program, args);
  await writeKeys(dir, ran);
  const address = `[v2:127.0.0.1:${place.monitor},v1:127.0.0.1:${place.old}]`;
  const map = join(dir, "monmap");
  await ran("monmaptool", "--create", "--clobber", "--fsid", place.id, "--addv", "a", address, map);
  await ran("ceph-mon", "--mkfs", "-i", "a", "--monmap", map, "--keyring", join(dir, "keyring"));
  spawn(place, stack, "ceph-mon", ["-f", "-i", "a"]);
  const disk = crypto.randomUUID();
  await ran("ceph", "--connect-timeout", "30", "osd", "new", disk, "0");
  await ran("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk);
  spawn(place, stack, "ceph-osd", ["-f", "-i", "0"]);
  await ran("ceph", "osd", "crush", "add", "osd.0", "1", "root=default", "host=h");
  const [accessKey, secretKey] = ["AKTEST", "Kanarienvogel+pa/ss=word"];
  const user = ["--uid=t", "--display-name=t", `--access-key=${accessKey}`, `--secret-key=${secretKey}`];
  await ran("radosgw-admin", "user", "create", ...user);
  const frontend = `beast endpoint=127.0.0.1:${place.port} tcp_nodelay=1`;
  const gateway = spawn(place, stack, "radosgw", ["-f", "-n", "client.rgw", `--rgw-frontends=${frontend}`]);
  const endpoint = `http://127.0.0.1:${place.port}`;
  await answering(endpoint, gateway.status);
  const life = stack.move();
  return {
    host: "127.0.0.1",
    port: place.port,
    endpoint,
    accessKey,
    secretKey,
    requests: async () => {
      const log = await Deno.readTextFile(join(dir, "log", "client.rgw.log")).catch(() => "");
      return Array.from(log.matchAll(REQUEST), ([, method, path, status]) => `${method} ${path} ${status}`);
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

interface Cluster {
  readonly dir: string;
  readonly id: string;
  readonly port: number;
  readonly monitor: number;
  /** The monitor's port of the old protocol. */
  readonly old: number;
}

/** A line of the gateway's access log. */
const REQUEST = / beast: [^\n]*?\] "([A-Z]+) (\S+) HTTP\/1\.1" (\d{3}) /g;

function confOf({ dir, id, monitor, old }: Cluster, config: readonly string[]): string {
  const lines = {
    "fsid": id,
    "mon host": `[v2:127.0.0.1:${monitor},v1:127.0.0.1:${old}]`,
    "run dir": join(dir, "run"),
    "admin socket": join(dir, "run", "$name.$pid.asok"),
    "log file": join(dir, "log", "$name.log"),
    "keyring": join(dir, "keyring"),
    "osd pool default size": 1,
    "osd pool default min size": 1,
    "osd pool default pg num": 8,
    "osd pool default pgp num": 8,
    "osd pool default pg autoscale mode": "off",
    "mon allow pool size one": true,
    "mon max pg per osd": 2000,
    "osd crush chooseleaf type": 0,
    "mon data avail crit": 1,
    "mon data avail warn": 2,
    "public network": "127.0.0.0/8",
    "ms bind ipv6": false,
    "osd objectstore": "memstore",
    "memstore device bytes": 4294967296,
    "osd max object name len": 2048,
    "rgw thread pool size": 64,
    "mon warn on insecure global id reclaim": false,
  };
  const own = Object.entries(lines).map(([name, value]) => `${name} = ${value}`);
  const data = ["[mon]", `mon data = ${join(dir, "mon")}`, "[osd]", `osd data = ${join(dir, "osd")}`];
  return ["[global]", ...own, ...config, ...data, ""].join("\n");
}

type Ran = (program: string, ...args: string[]) => Promise<void>;

async function writeKeys(dir: string, ran: Ran): Promise<void> {
  const ring = join(dir, "keyring");
  const allowed: readonly (readonly [string, ...string[]])[] = [
    ["mon.", "mon=allow *"],
    ["client.admin", "mon=allow *", "osd=allow *", "mgr=allow *"],
    ["client.rgw", "mon=allow rwx", "osd=allow rwx"],
    ["osd.0", "mon=allow profile osd", "osd=allow *"],
  ];
  await Deno.writeTextFile(ring, "", { mode: 0o600 });
  for (const [name, ...caps] of allowed) {
    const args = caps.flatMap((cap) => ["--cap", ...cap.split("=")]);
    await ran("ceph-authtool", ring, "--gen-key", "-n", name, ...args);
  }
}

async function run({ dir }: Cluster, program: string, args: readonly string[]): Promise<void> {
  const env = { CEPH_CONF: join(dir, "ceph.conf") };
  const words = program === "ceph-authtool" || program === "monmaptool" ? args : ["-c", env.CEPH_CONF, ...args];
  const command = new Deno.Command("timeout", { args: ["60", program, ...words], env, stdin: "null" });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr).trim().slice(-500)}`);
}

/** A daemon in the foreground, ended by its process id with the stack. */
function spawn({ dir }: Cluster, stack: AsyncDisposableStack, program: string, args: readonly string[]) {
  const child = new Deno.Command(program, {
    args: ["-c", join(dir, "ceph.conf"), ...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  stack.defer(async () => {
    try {
      // What it holds is thrown away with it: there is nothing to end in order.
      child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await child.status;
  });
  return child;
}

async function answering(endpoint: string, ended: Promise<unknown>): Promise<void> {
  const isOver = ended.then(() => true);
  for (let attempt = 0; attempt < 600; attempt++) {
    const status = await fetch(endpoint).then(async (reply) => (await reply.body?.cancel(), reply.status), () => 0);
    if (status === 200) return;
    const pause = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 50));
    if (await Promise.race([isOver, pause])) break;
  }
  throw new Error("the gateway did not start");
}
