import assert from "node:assert/strict";
import { ownFolder } from "../../contract/shared.ts";
import { chownAll, type RemoteServer } from "./remote_server.ts";
import { assertCode, fill, type FolderContent, readFolder, stampFolder } from "./sftp_pair.ts";
import { type RunResult, startTandem, tandem } from "../tandem.ts";

/** A local folder and a folder of a server, with a home of their own. */
export interface RemotePair extends AsyncDisposable {
  readonly local: string;
  /** The server's folder on this disk. */
  readonly remote: string;
  readonly address: string;
  /** Runs Sync-Path over the pair with these words behind it; `params` and `env` stand for the server's own. */
  sync(words: string, params?: readonly string[], env?: RemoteServer["env"]): Promise<RunResult>;
  /** Runs another command over the pair. */
  run(command: string, words: string): Promise<RunResult>;
  /** Sync-Path, still running. */
  start(words: string): Deno.ChildProcess;
  /** Writes files into the server's folder, as its own user. */
  fillRemote(content: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  /** Runs Sync-Path and fails unless it changed nothing: by the server's log where it keeps one, and by what lies on both disks. */
  idle(words: string): Promise<void>;
}

/** Two empty folders. `port`: another than the server's own. */
export async function makeRemotePair(
  far: RemoteServer,
  { port }: { readonly port?: number } = {},
): Promise<RemotePair> {
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
  const sync: RemotePair["sync"] = (words, params, env) =>
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
      await chownAll(remote);
    },
    async idle(words) {
      const [before, local0, remote0] = [await far.mutations(), stampFolder(local), stampFolder(remote)];
      const ran = await sync(words);
      assertCode(ran, 0);
      assert.deepEqual((await far.mutations())?.slice(before?.length), before === undefined ? undefined : []);
      assert.deepEqual(stampFolder(local), local0);
      assert.deepEqual(stampFolder(remote), remote0);
      const { UploadCount, DownloadCount, RemovalCount, FoldersMade, TouchCount } = ran.result();
      assert.deepEqual([UploadCount, DownloadCount, RemovalCount, FoldersMade, TouchCount], [0, 0, 0, 0, 0]);
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** The folder in which Apache keeps the properties of files; no listing shows it. */
export const APACHE_PROPERTIES = ".DAV";

/** Returns the content of a folder without Apache's own files. */
export function contentWithoutServerFiles(folder: string): FolderContent {
  return Object.fromEntries(
    Object.entries(readFolder(folder)).filter(([path]) => !path.split("/").includes(APACHE_PROPERTIES)),
  );
}

/** Fails unless both folders hold the same. */
export function assertSame({ local, remote }: Pick<RemotePair, "local" | "remote">): void {
  assert.deepEqual(contentWithoutServerFiles(remote), contentWithoutServerFiles(local));
}
