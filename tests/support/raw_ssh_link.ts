import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { setTimeout as wait } from "node:timers/promises";
import { dial } from "../../lib/ssh/connection.ts";
import { type ErrorKind, SyncError } from "../../lib/core/errors.ts";
import { type RawScript, type RawSsh, startRawSsh } from "./servers/raw_ssh.ts";
import type { AuthMethod, DialOptions, SshConnection } from "../../lib/ssh/types.ts";

export interface Dialling {
  readonly link: SshConnection;
  readonly server: RawSsh;
  /** How often a login was asked for. */
  readonly logins: () => number;
}

export interface Setup extends RawScript {
  /** ms that verification takes, and what it rejects with. */
  readonly takes?: number;
  readonly refuses?: SyncError;
  readonly method?: AuthMethod;
}

/** One link to a server with this script, whose key is verified by comparing it with the server's own. */
export async function connected(setup: Setup, use: (dialling: Dialling) => Promise<void>): Promise<void> {
  await using server = await startRawSsh(setup);
  let logins = 0;
  const pauses: Promise<void>[] = [];
  const options: DialOptions = {
    host: "127.0.0.1",
    port: server.port,
    user: "ann",
    timeout: 20_000,
    keepAlive: 0,
    legacy: false,
    signal: new AbortController().signal,
    async verify(key) {
      const pause = wait(setup.takes ?? 0);
      pauses.push(pause);
      await pause;
      assert.deepEqual(server.received, [], "something was sent before the host key was verified");
      if (setup.refuses !== undefined) throw setup.refuses;
      assert.equal(Buffer.compare(key, server.hostKey), 0);
    },
    authenticate() {
      logins++;
      return Promise.resolve(setup.method ?? { method: "password", password: "secret" });
    },
  };
  await using link = await dial(options).catch(async (error) => {
    // What the client sent last is on its way.
    await wait(20);
    await Promise.all(pauses);
    throw Object.assign(error, { received: [...server.received], logins });
  });
  await use({ link, server, logins: () => logins });
}

type Refusal = SyncError & { readonly received: readonly number[]; readonly logins: number };

/** How a link to such a server fails. */
export async function refused(setup: Setup, kind: ErrorKind): Promise<Refusal> {
  const error = await connected(setup, () => assert.fail("the link was made")).then(() => undefined, (why) => why);
  assert.ok(error instanceof SyncError, `${error}`);
  assert.equal(error.kind, kind, error.message);
  return error as Refusal;
}

/** Why an open link ends. */
export async function ended(setup: Setup, act: (server: Dialling) => void, kind: ErrorKind): Promise<SyncError> {
  let why: SyncError | undefined;
  await connected({ login: (client) => client.succeed(), ...setup }, async (dialling) => {
    const { closed } = dialling.link;
    const over = new Promise((resolve) => closed.addEventListener("abort", resolve, { once: true }));
    act(dialling);
    await over;
    why = closed.reason;
  });
  assert.ok(why instanceof SyncError);
  assert.equal(why.kind, kind, why.message);
  return why;
}
