import assert from "node:assert/strict";
import { ownFolder } from "../contract/shared.ts";
import { type Far, giveAll } from "./far.ts";
import { assertCode, fill, type Found, look, stamp } from "./pair.ts";
import { type Ran, startTandem, tandem } from "./tandem.ts";

/** A local folder and a folder of a server, with a home of their own. */
export interface FarPair extends AsyncDisposable {
  readonly local: string;
  /** The server's folder on this disk. */
  readonly remote: string;
  readonly address: string;
  /** Runs Sync-Path over the pair with these words behind it; `params` and `env` stand for the server's own. */
  sync(words: string, params?: readonly string[], env?: Far["env"]): Promise<Ran>;
  /** Runs another command over the pair. */
  run(command: string, words: string): Promise<Ran>;
  /** Sync-Path, still running. */
  start(words: string): Deno.ChildProcess;
  /** Writes files into the server's folder, as its own user. */
  fillRemote(content: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  /** Runs Sync-Path and fails unless it changed nothing: by the server's log where it keeps one, and by what lies on both disks. */
  idle(words: string): Promise<void>;
}

/** Two empty folders. `port`: another than the server's own. */
export async function makeFarPair(far: Far, { port }: { readonly port?: number } = {}): Promise<FarPair> {
  await using stack = new AsyncDisposableStack();
  const home = await Deno.makeTempDir({ prefix: "tandem-far-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  const local = `${home}/local`;
  await Deno.mkdir(local);
  const { disk: remote, root } = await ownFolder(far, stack);
  const address = far.address(root, port);
  const args = (words: string, { command = "Sync-Path", params = far.params } = {}) => [
    ...[command, local, address, ...words.split(" ")],
    ...params,
  ];
  const options = { home, env: far.env };
  const sync: FarPair["sync"] = (words, params, env) =>
    tandem(args(words, params === undefined ? {} : { params }), env === undefined ? options : { home, env });
  const life = stack.move();
  return {
    local,
    remote,
    address,
    sync,
    run: (command, words) => tandem(args(words, { command }), options),
    start: (words) => startTandem(args(words), options),
    async fillRemote(content) {
      await fill(remote, content);
      await giveAll(remote);
    },
    async idle(words) {
      const [before, local0, remote0] = [await far.mutations(), stamp(local), stamp(remote)];
      const ran = await sync(words);
      assertCode(ran, 0);
      assert.deepEqual((await far.mutations())?.slice(before?.length), before === undefined ? undefined : []);
      assert.deepEqual(stamp(local), local0);
      assert.deepEqual(stamp(remote), remote0);
      const { UploadCount, DownloadCount, RemovalCount, FoldersMade, TouchCount } = ran.result();
      assert.deepEqual([UploadCount, DownloadCount, RemovalCount, FoldersMade, TouchCount], [0, 0, 0, 0, 0]);
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** Where Apache keeps the properties of files; it shows it to nobody. */
export const OWN_OF_APACHE = ".DAV";

/** What a folder holds, without what Apache keeps there for itself. */
export function seen(folder: string): Found {
  return Object.fromEntries(Object.entries(look(folder)).filter(([path]) => !path.split("/").includes(OWN_OF_APACHE)));
}

/** Fails unless both folders hold the same. */
export function assertSame({ local, remote }: Pick<FarPair, "local" | "remote">): void {
  assert.deepEqual(seen(remote), seen(local));
}
