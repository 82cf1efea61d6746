import assert from "node:assert/strict";
import { join } from "node:path";
import type { CallOptions } from "../../lib/core/backend.ts";
import { connectSsh } from "../../lib/ssh/connect.ts";
import { connectSystemSsh } from "../../lib/ssh/system/client.ts";
import { type ErrorKind, SyncError } from "../../lib/core/errors.ts";
import type { Sshd } from "./servers/sftp.ts";
import type { SshConnection, SshConnector } from "../../lib/ssh/types.ts";
import type { Address, ConnectContext } from "../../lib/core/protocol.ts";

/** How a test logs in, as a user would say it. `ask`: what a person answers, undefined where there is no terminal. */
export interface ClientOptions {
  readonly address?: Partial<Address>;
  readonly options?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly readOnly?: boolean;
  ask?(prompt: string, echo: boolean): string | undefined;
}

/** A target that remembers what it was told and asked. */
export interface Client extends ConnectContext {
  readonly warnings: string[];
  readonly questions: string[];
  readonly fetched: string[];
  readonly kept: Map<string, string>;
}

type Reachable = Pick<Sshd, "host" | "port" | "user" | "home">;

/** A user who wants to reach the server. */
export function client(server: Reachable, more: ClientOptions = {}): Client {
  const [warnings, questions, fetched]: [string[], string[], string[]] = [[], [], []];
  const kept = new Map<string, string>();
  const env: Readonly<Record<string, string>> = { HOME: server.home, USER: server.user, ...more.env };
  return {
    warnings,
    questions,
    fetched,
    kept,
    address: {
      scheme: "sftp",
      user: server.user,
      host: server.host,
      port: server.port,
      path: "",
      pins: [],
      ...more.address,
    },
    options: more.options ?? {},
    readOnly: more.readOnly ?? false,
    secret(name) {
      fetched.push(name);
      return Promise.resolve(more.secrets?.[name]);
    },
    prompt(prompt, echo) {
      questions.push(prompt);
      return Promise.resolve(more.ask?.(prompt, echo));
    },
    hideSecret: () => {},
    keepSecret: (name, value) => void kept.set(name, value),
    warn: (message) => void warnings.push(message),
    env: (name) => env[name],
  };
}

/** The client that runs the system's ssh. */
export const loadSystemClient = () => Promise.resolve(connectSystemSsh);

export const call: CallOptions = { signal: new AbortController().signal };

/** Logs in and runs a command over each of `links` links; gives the connector. */
export async function login(target: ConnectContext, links = 1): Promise<SshConnector> {
  const connector = await connectSsh(target, call, loadSystemClient);
  for (let index = 0; index < links; index++) {
    await using link = await connector.connect(call);
    assert.equal(await say(link), "hello");
  }
  return connector;
}

/** The login's failure, of this kind. */
export async function loginFails(target: ConnectContext, kind: ErrorKind): Promise<SyncError> {
  try {
    await login(target);
  } catch (error) {
    assert.ok(error instanceof SyncError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.ok(error.message.length < 600 && !error.message.includes("\n"), `too long: ${error.message}`);
    return error;
  }
  return assert.fail("the login went well");
}

/** A home folder of its own, with these files below .ssh (mode 0600). */
export async function makeHome(
  files: Readonly<Record<string, string>> = {},
): Promise<{ home: string } & AsyncDisposable> {
  const home = await Deno.makeTempDir({ prefix: "tandem-home-" });
  await Deno.mkdir(join(home, ".ssh"), { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(home, ".ssh", name), text, { mode: 0o600 });
  }
  return { home, [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }) };
}

async function say(link: SshConnection): Promise<string> {
  const command = await link.exec("echo hello", call);
  const words = await Array.fromAsync(command.stdout, String);
  await command.exit;
  return words.join("").trim();
}
