import { type Backend, followLinks, openLocal } from "../../lib/backends/mod.ts";
import { rejectLookalike } from "../../lib/core/address.ts";
import { badInput, SyncError } from "../../lib/core/errors.ts";
import { root } from "../../lib/core/path.ts";
import type { Session } from "../../lib/session/session.ts";
import type { Host } from "../../lib/shell/command/command.ts";
import type { Run, Side } from "../../lib/core/entry.ts";
import { describeReach, type Login, login, standsForSession, toReach } from "./connection_params.ts";
import type { GivenSession } from "./session_param.ts";
import { sourceOf, type SyncMode, type SyncWords, toMode } from "./sync_params.ts";

/** The bound parameters that name the two roots. */
export type PairWords = SyncWords & Login & { readonly Session: GivenSession | undefined };

/** One pair of roots before its session is opened. */
export interface Job<W extends PairWords> {
  readonly words: W;
  readonly mode: SyncMode;
  readonly local: Backend;
  /** The description of the run in a result whose session could not be opened. */
  readonly run: Run;
}

/** An open pair of roots. `own`: the session was opened for this pair, so it is closed with it. */
export interface Pair {
  readonly session: Session;
  readonly own: boolean;
  /** Both roots. The one that is only read resolves symlinks, if they are to be followed. */
  readonly sides: Readonly<Record<Side, Backend>>;
  readonly run: Run;
  /** Roots that no parameter of the user named. */
  readonly defaulted: readonly Side[];
}

/** Whether the command still lacks its session, so that standard input is read for it. */
export function needsSession(words: SyncWords & Login): boolean {
  return words.Session === undefined && words.HostName === undefined && !standsForSession(words.RemotePath);
}

/**
 * Checks everything in the bound sets that can be checked without a server. Throws badInput for an unsuitable local
 * root and for two sessions that would write to one local root, and connection if a session was expected from the pipe
 * and did not arrive.
 */
export async function prepare<W extends PairWords>(each: AsyncIterable<W>, host: Host): Promise<readonly Job<W>[]> {
  const jobs: Job<W>[] = [];
  for await (const words of each) jobs.push(await toJob(words, host));
  if (jobs.length === 0) {
    throw new SyncError("connection", "No session came through the pipe: the command before this one gave none.", {
      operation: "read the session",
    });
  }
  const written = jobs.filter((job) => job.mode.mode !== "Remote").map((job) => job.local.place.disk);
  const twice = written.find((path, index) => written.indexOf(path) !== index);
  if (twice !== undefined) {
    throw badInput(
      `Two sessions would write to the one folder "${twice}": give each its own, such as -LocalPath './site/\${host}'.`,
    );
  }
  return jobs;
}

/** Opens the session and both roots. Rejects with the error of the server or of the parameters. */
export async function openPair<W extends PairWords>(job: Job<W>, host: Host): Promise<Pair> {
  const { words } = job;
  const { session, own } = await openOne(words, host);
  try {
    const folder = remoteFolder(words, { session, mode: job.mode });
    const remote = folder === undefined ? session.remote : await session.remote.at(folder, host);
    const run: Run = { ...job.run, session: session.label, remotePath: remote.place.path };
    const defaulted: Side[] = words.LocalPath === undefined ? ["local"] : [];
    if (words.RemotePath === undefined && !session.hasPath) defaulted.push("remote");
    return { session, own, sides: await sidesOf(job, { remote, host }), run, defaulted };
  } catch (error) {
    if (own) await session[Symbol.asyncDispose]();
    throw error;
  }
}

async function sidesOf<W extends PairWords>(
  { words, mode, local }: Job<W>,
  { remote, host: { signal } }: { readonly remote: Backend; readonly host: Host },
): Promise<Pair["sides"]> {
  if (words.Links !== "Follow") return { local, remote };
  const options = { outside: words.AllowLinksOutside, signal };
  return sourceOf(mode.mode) === "local"
    ? { local: await followLinks(local, options), remote }
    : { local, remote: await followLinks(remote, options) };
}

async function openOne(words: PairWords, host: Host): Promise<{ readonly session: Session; readonly own: boolean }> {
  if (words.Session !== undefined) return await words.Session.open(host);
  return { session: await login(words, addressOf(words), host), own: true };
}

function addressOf(words: PairWords): string | undefined {
  return standsForSession(words.RemotePath) ? words.RemotePath : undefined;
}

async function toJob<W extends PairWords>(words: W, host: Host): Promise<Job<W>> {
  const mode = toMode(words);
  if (standsForSession(words.LocalPath)) {
    throw badInput(
      "-LocalPath is a folder of this machine: write the local folder first, as in Sync-Path ./folder ADDRESS -Mode Local.",
    );
  }
  if (needsSession(words)) {
    if (words.RemotePath !== undefined) rejectLookalike(words.RemotePath);
    throw badInput(
      "Which server? Write an address as RemotePath, such as sftp://user@host/path, or pipe a session in from New-Session.",
      "MissingMandatoryParameter",
    );
  }
  const folder = localFolder(words, host);
  const home = host.env("HOME") ?? host.env("USERPROFILE");
  const local = await openLocal(folder, { home, signal: host.signal });
  if (words.LocalPath === undefined && mode.mode !== "Local" && local.place.broad !== undefined) {
    throw badInput(
      `The current folder is ${local.place.broad}: say which folder with -LocalPath.`,
      "MissingMandatoryParameter",
    );
  }
  await checkLocal(local, mode, host);
  const run: Run = {
    session: describeReach(words.Session ?? toReach(words, addressOf(words))),
    localPath: local.place.path,
    remotePath: standsForSession(words.RemotePath)
      ? toReach(words, words.RemotePath).address.path
      : words.RemotePath ?? "",
    mode: mode.mode,
    whatIf: host.common.whatIf,
  };
  return { words, mode, local, run };
}

/**
 * Checks the local root before any connection: it must not be a file, and must exist if it is the source. -Remove and
 * the history are checked later.
 */
async function checkLocal(local: Backend, { mode }: SyncMode, host: Host): Promise<void> {
  const found = await local.stat(root, host);
  if (found !== undefined && found.kind !== "dir") {
    throw badInput(`"${local.place.path}" is no folder: -LocalPath takes the folder to sync, not a file.`);
  }
  if (found === undefined && sourceOf(mode) === "local") {
    throw badInput(`The local folder "${local.place.path}" does not exist: nothing can be copied from it.`);
  }
}

function localFolder(words: PairWords, host: Host): string {
  const given = words.LocalPath ?? ".";
  rejectLookalike(given);
  const address = words.Session?.address ??
    (needsSession(words) ? undefined : toReach(words, addressOf(words)).address);
  const filled = given.replaceAll("${host}", address?.host ?? "");
  const home = host.env("HOME") ?? host.env("USERPROFILE");
  return home !== undefined && /^~(?=[/\\]|$)/.test(filled) ? home + filled.slice(1) : filled;
}

/** Returns the remote folder to open; undefined: the session's start folder. */
function remoteFolder(
  words: PairWords,
  facts: { readonly session: Session; readonly mode: SyncMode },
): string | undefined {
  if (words.RemotePath !== undefined && !standsForSession(words.RemotePath)) return words.RemotePath;
  if (facts.session.hasPath) return undefined;
  if (facts.mode.mode === "Local" && !words.Remove && !facts.mode.mirror) return "/";
  throw badInput(
    "Which remote folder? Write it as RemotePath, or in the address: sftp://user@host/path.",
    "MissingMandatoryParameter",
  );
}
