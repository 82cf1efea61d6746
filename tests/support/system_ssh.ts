import { openSftp } from "../../lib/backends/sftp/mod.ts";
import type { Backend } from "../../lib/core/backend.ts";
import { root } from "../../lib/core/path.ts";
import assert from "node:assert/strict";
import { type ErrorKind, SyncError } from "../../lib/core/errors.ts";
import { call, type Client, client, type ClientOptions } from "./ssh_client.ts";
import type { Sshd } from "./servers/sftp.ts";

/** The facts of a server that a client of the system's ssh needs; another home brings its own configuration. */
type Reachable = Pick<Sshd, "host" | "port" | "user" | "home">;

/** A user whose client is the system's ssh. No agent and no key of the tester is used. */
export function systemClient(server: Reachable, { options = {}, ...more }: ClientOptions = {}): Client {
  const path = Deno.env.get("PATH") ?? "";
  return client(server, {
    ...more,
    options: { SshClient: "System", SshAgent: "none", Timeout: "10000", ...options },
    env: { PATH: path, ...more.env },
  });
}

/** Opens SFTP and lists the login folder. */
export async function openSystem(target: Client): Promise<Backend> {
  const backend = await openSftp(target, call);
  try {
    await backend.list(root, call);
    return backend;
  } catch (error) {
    await backend[Symbol.asyncDispose]();
    throw error;
  }
}

/** A ProxyCommand that connects to the host and port, after it wrote its environment into `log`. */
export async function proxyCommand(dir: string, log: string): Promise<string> {
  const script = `${dir}/proxy.ts`;
  await Deno.writeTextFile(
    script,
    `await Deno.writeTextFile(${JSON.stringify(log)}, JSON.stringify(Deno.env.toObject()));
const line = await Deno.connect({ hostname: Deno.args[0], port: Number(Deno.args[1]) });
await Promise.race([Deno.stdin.readable.pipeTo(line.writable), line.readable.pipeTo(Deno.stdout.writable)]);
Deno.exit(0);
`,
  );
  return `${Deno.execPath()} run -q -A --no-check --no-config ${script} %h %p`;
}

/** The login's failure, of this kind. */
export async function fails(target: Client, kind: ErrorKind): Promise<SyncError> {
  try {
    await using _ = await openSystem(target);
  } catch (error) {
    assert.ok(error instanceof SyncError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.ok(error.message.length < 700 && !error.message.includes("\n"), error.message);
    return error;
  }
  return assert.fail("the login went well");
}

/** The options that log in with the server's key. */
export function withKey(sshd: Sshd, more: Readonly<Record<string, string>> = {}) {
  return { options: { SshPrivateKeyPath: sshd.privateKeyPath, ...more } };
}
