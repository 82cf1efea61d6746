import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { isDeepStrictEqual } from "node:util";
import { chownAll } from "../support/targets/remote_server.ts";
import { fill, type FolderContent, readFolder } from "../support/targets/sftp_pair.ts";
import { startTandem } from "../support/tandem.ts";
import type { MatrixServer } from "./row.ts";

/** Beyond this a run hangs. */
export const runLimitMs = 240_000;

/** The end of a run. */
export interface Ran {
  readonly code: number;
  readonly stderr: string;
  /** Uploads, downloads, removals, conflicts, corrected times, new folders. */
  readonly counts: readonly unknown[];
  readonly failures: readonly { readonly Path: string; readonly Message: string }[];
}

/** A machine with a folder of its own and a folder of the server that it may share with other machines. */
export interface Machine {
  readonly local: string;
  /** Runs Sync-Path with these words; fails if it takes longer than the limit. */
  sync(words: string): Promise<Ran>;
  /** The same by way of another port, still running. */
  start(words: string, port?: number): Deno.ChildProcess;
  /** Forgets what runs of this machine know. */
  forget(): Promise<void>;
}

/** A folder of the server, and machines that sync with it. */
export interface Scene extends AsyncDisposable {
  readonly here: Machine;
  /** The server's folder on this disk; undefined for a store. */
  readonly disk: string | undefined;
  readonly isLate: boolean;
  /** All that was said so far, by every run. */
  readonly said: string[];
  /** Another machine, which knows nothing. */
  another(): Promise<Machine>;
  /** Writes files into the server's folder as somebody else does; a store is filled by another machine. */
  fillRemote(content: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  /** Returns what the server holds: from its disk, or from a store by a download to another machine. */
  remote(): Promise<FolderContent>;
}

/** Files of servers' own among those that they serve: Apache's folder of properties. */
const ownFiles = /(?:^|\/)\.DAV(?:\/|$)/;

/** The summary of a run, its failures (which each job looks at), the hint of a first run in Both, that a password is not encrypted, and a note on what only a store's own files lack. */
const usualWords =
  /, in [\d.]+ \w+(?: \d+ s)?$|^ {2}|^The first run of this pair: |^Warning: The password goes to ".*" in clear text|^\d+ files exist only on the remote side: kept/;

/** Makes an empty folder on the server, and a machine. */
export async function makeScene(server: MatrixServer): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "tandem-matrix-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const name = crypto.randomUUID().slice(0, 8);
  const disk = server.disk === undefined ? undefined : `${server.disk}/${name}`;
  if (server.disk !== undefined && disk !== undefined) {
    await Deno.mkdir(disk);
    stack.defer(() => Deno.remove(disk, { recursive: true }));
    const { uid, gid } = await Deno.stat(server.disk);
    if (Deno.uid() === 0) await Deno.chown(disk, uid, gid);
  }
  const said: string[] = [];
  let count = 0;
  const another = () => makeMachine(`${dir}/${++count}`, { server, path: `${server.root}/${name}`, said });
  const here = await another();
  const life = stack.move();
  return {
    here,
    disk,
    isLate: server.isLate === true,
    said,
    another,
    async fillRemote(content) {
      if (disk !== undefined) {
        await fill(disk, content);
        return await chownAll(disk);
      }
      const machine = await another();
      await fill(machine.local, content);
      const ran = await machine.sync("-Mode Remote -Mirror");
      assert.equal(ran.code, 0, ran.stderr);
    },
    async remote() {
      const holds = async () => {
        if (disk !== undefined) return readFolder(disk);
        const machine = await another();
        const ran = await machine.sync("-Mode Local");
        assert.equal(ran.code, 0, ran.stderr);
        return readFolder(machine.local);
      };
      return Object.fromEntries(Object.entries(await holds()).filter(([path]) => !ownFiles.test(path)));
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** Fails unless server and machine hold the same bytes under the same names, and nothing of the program's own. */
export async function assertSame(scene: Scene, local = scene.here.local): Promise<void> {
  for (let attempt = 0; scene.isLate && attempt < 30; attempt++) {
    if (isDeepStrictEqual(await scene.remote(), readFolder(local))) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const [there, here] = [await scene.remote(), readFolder(local)];
  const hasFolders = scene.disk !== undefined;
  const seen = (content: FolderContent) =>
    Object.entries(content).filter(([path]) => hasFolders || !path.endsWith("/")).map(([path, text]) =>
      `${JSON.stringify(path)} ${text.length > 120 ? Buffer.from(text).toString("base64") : text}`
    );
  const [a, b] = [new Set(seen(there)), new Set(seen(here))];
  // A few of them show what is wrong.
  const [extra, missing] = [[...a.difference(b)], [...b.difference(a)]].map((paths) => paths.slice(0, 6));
  assert.deepEqual({ extra, missing }, { extra: [], missing: [] });
  assert.deepEqual([...a].filter((path) => path.includes(".tandem-")), []);
}

async function makeMachine(
  dir: string,
  { server, path, said }: { readonly server: MatrixServer; readonly path: string; readonly said: string[] },
): Promise<Machine> {
  const [local, home] = [`${dir}/local`, `${dir}/home`];
  for (const folder of [local, home]) await Deno.mkdir(folder, { recursive: true });
  const start = (words: string, port?: number) => {
    const { address, params } = server.login(path, port);
    return startTandem(["Sync-Path", local, address, ...words.split(" "), ...params], { home, env: server.env });
  };
  return {
    local,
    start,
    async sync(words) {
      const ran = await ended(start(words), words);
      // What a failed job said is told by its failure.
      if (ran.code <= 1) said.push(...ran.stderr.split("\n").filter((line) => line !== "" && !usualWords.test(line)));
      return ran;
    },
    forget: () => Deno.remove(`${home}/.local/state`, { recursive: true }),
  };
}

async function ended(child: Deno.ChildProcess, words: string): Promise<Ran> {
  let hangs = false;
  const timer = setTimeout(() => {
    hangs = true;
    child.kill("SIGKILL");
  }, runLimitMs);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = new TextDecoder().decode(stderr);
  if (hangs) throw new Error(`HANGS: Sync-Path ${words} took more than ${runLimitMs / 1000} s. ${text}`);
  const lines = new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
  const result = lines.map((line): Result => JSON.parse(line)).find(({ Type }) => Type === "SyncResult");
  const { UploadCount, DownloadCount, RemovalCount, ConflictCount, TouchCount, FoldersMade } = result ?? {};
  return {
    code,
    stderr: text,
    counts: [UploadCount, DownloadCount, RemovalCount, ConflictCount, TouchCount, FoldersMade],
    failures: result?.Failures ?? [],
  };
}

interface Result {
  readonly Type?: string;
  readonly UploadCount?: number;
  readonly DownloadCount?: number;
  readonly RemovalCount?: number;
  readonly ConflictCount?: number;
  readonly TouchCount?: number;
  readonly FoldersMade?: number;
  readonly Failures?: Ran["failures"];
}
