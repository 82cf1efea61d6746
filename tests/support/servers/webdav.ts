import { createHash } from "node:crypto";
import net from "node:net";
import { join } from "node:path";
import { ensureServer, freePort, type Installed } from "./install.ts";
import { type DavKind, recipeOf, type Setup, setups } from "./webdav_setups.ts";

export type { DavKind } from "./webdav_setups.ts";

/** How a test wants its WebDAV server. */
export interface DavOptions {
  readonly kind?: DavKind;
  /** Where its folder is made: "/dev/shm" for benchmarks. */
  readonly parent?: string;
  /** A certificate and its key (PEM) for TLS, Apache only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Lines put behind all others in the configuration of Apache, nginx and lighttpd; further arguments of rclone. */
  readonly config?: readonly string[];
}

/** A WebDAV server on 127.0.0.1 with one user. Stopped by its process id. */
export interface DavServer extends AsyncDisposable {
  readonly kind: DavKind;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The path of its root, "/" or "/digest/". */
  readonly root: string;
  /** The folder it serves, on this disk. */
  readonly disk: string;
  /** Requests so far, "PUT /a/b 201"; empty for rclone. */
  requests(): Promise<readonly string[]>;
  /** Those of them that change something. */
  mutations(): Promise<readonly string[]>;
}

/** The recipe of a kind of server, for ensureServer and serverTest. */
export function davRecipe(kind: DavKind): string {
  return recipeOf[kind];
}

/** Starts a server and waits until it listens. Rejects where it is not installed (serverTest skips before that). */
export async function startDav(options: DavOptions = {}): Promise<DavServer> {
  const found = ensureServer(davRecipe(options.kind ?? "apache"));
  if ("missing" in found) throw new Error(`${options.kind} is missing: ${found.missing}`);
  for (let attempt = 1;; attempt++) {
    try {
      return await start(found.place, options);
    } catch (error) {
      // Another test may have taken the port between finding it free and listening there.
      if (attempt === 3) throw error;
    }
  }
}

const MUTATION = /^(?:PUT|POST|PATCH|DELETE|MKCOL|MOVE|COPY|PROPPATCH|LOCK|UNLOCK) /;

async function start(place: Installed, { kind = "apache", parent, tls, config = [] }: DavOptions): Promise<DavServer> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "tandem-dav-", ...(parent === undefined ? {} : { dir: parent }) });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o755);
  const disk = join(dir, "data");
  for (const name of [disk, join(dir, "tmp"), join(dir, "var")]) await Deno.mkdir(name);
  const [user, password] = ["dav", "pa:ss wörd"];
  const isRoot = Deno.uid() === 0;
  const port = freePort();
  const setup: Setup = { dir, port, user, password, isRoot, root: place.root, config, ...(tls ? { tls } : {}) };
  await writePasswords(setup);
  if (isRoot && kind !== "rclone") await giveAway(dir);
  const { program, args } = await setups[kind](setup);
  const child = new Deno.Command(program, {
    args: [...args],
    env: place.env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  })
    .spawn();
  stack.defer(async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    await child.status;
  });
  const ended = child.status.then(() => true);
  await listening(port, ended, () => Deno.readTextFile(join(dir, "err.log")).catch(() => "no word"));
  const logged = () => Deno.readTextFile(join(dir, "access.log")).catch(() => "");
  const requests = async () => {
    // It keeps lines back for a second or so: once a later request shows, all earlier ones do.
    const mark = `/${crypto.randomUUID()}`;
    if (kind === "lighttpd") await seen(mark, { port, logged });
    return (await logged()).split("\n").filter((line) => line !== "" && !line.includes(mark));
  };
  const life = stack.move();
  return {
    kind,
    host: "127.0.0.1",
    port,
    user,
    password,
    root: { "apache-digest": "/digest/", "svn": "/svn/" }[kind as string] ?? "/",
    disk,
    requests,
    mutations: async () => (await requests()).filter((line) => MUTATION.test(line)),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** Makes a request, and waits until the log shows it. */
async function seen(
  mark: string,
  { port, logged }: { readonly port: number; logged(): Promise<string> },
): Promise<void> {
  await (await fetch(`http://127.0.0.1:${port}${mark}`)).body?.cancel();
  for (let tries = 0; tries < 100; tries++) {
    if ((await logged()).includes(mark)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the server's log does not show a request that it answered");
}

async function writePasswords({ dir, user, password }: Setup): Promise<void> {
  const hash = (algorithm: string, text: string) => createHash(algorithm).update(text);
  await Deno.writeTextFile(
    join(dir, "htpasswd"),
    `${user}:{SHA}${hash("sha1", password).digest("base64")}\n`,
  );
  await Deno.writeTextFile(
    join(dir, "htdigest"),
    `${user}:dav:${hash("md5", `${user}:dav:${password}`).digest("hex")}\n`,
  );
}

/** The folders a server writes to belong to the user it runs as. */
async function giveAway(dir: string): Promise<void> {
  const names = ["data", "tmp", "var"].map((name) => join(dir, name));
  const { success } = await new Deno.Command("chown", { args: ["www-data", dir, ...names] }).output();
  if (!success) throw new Error("the user www-data is missing");
}

async function listening(port: number, ended: Promise<boolean>, words: () => Promise<string>): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (await answers(port)) return;
    const pause = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 20));
    if (await Promise.race([ended, pause])) break;
  }
  throw new Error(`the server did not start: ${await words()}`);
}

function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = net.connect({ port, host: "127.0.0.1" });
  socket.on("connect", () => {
    socket.destroy();
    resolve(true);
  });
  socket.on("error", () => resolve(false));
  return promise;
}
