import { type Backend, followLinks, openLocal, protocols } from "../../lib/backends/mod.ts";
import { rejectLookalike } from "../../lib/core/address.ts";
import { badInput, SyncError } from "../../lib/core/errors.ts";
import { root } from "../../lib/core/path.ts";
import type { Session } from "../../lib/session/session.ts";
import type { CommandContext } from "../../lib/shell/command/command.ts";
import type { Side } from "../../lib/core/entry.ts";
import {
  type BoundLogin,
  describeConnection,
  isServerAddress,
  openSessionFor,
  toConnectionSpec,
} from "./connection_params.ts";
import type { SessionSource } from "./session_param.ts";
import { type BoundSync, sourceOf, type SyncMode, toMode } from "./sync_params.ts";
import type { Run } from "../../lib/core/plan.ts";

/** The bound parameters that name the two roots. */
export type BoundPair = BoundSync & BoundLogin & { readonly Session: SessionSource | undefined };

/** One pair of roots before its session is opened. */
export interface PairJob<W extends BoundPair> {
  readonly bound: W;
  readonly mode: SyncMode;
  readonly local: Backend;
  /** The description of the run in a result whose session could not be opened. */
  readonly run: Run;
}

/** An open pair of roots. */
export interface OpenPair {
  readonly session: Session;
  /** Whether the session was opened for this pair, and is closed with it. */
  readonly ownsSession: boolean;
  /** Both roots. The one that is only read resolves symlinks, if they are to be followed. */
  readonly sides: Readonly<Record<Side, Backend>>;
  readonly run: Run;
  /** Roots that no parameter of the user named. */
  readonly defaulted: readonly Side[];
}

/** Whether the command still lacks its session, so that standard input is read for it. */
export function needsSession(bound: BoundSync & BoundLogin): boolean {
  return bound.Session === undefined && bound.HostName === undefined && !isServerAddress(bound.RemotePath);
}

/**
 * Checks everything in the bound sets that can be checked without a server. Throws badInput for an unsuitable local
 * root and for two sessions that would write to one local root, and connection if a session was expected from the pipe
 * and did not arrive.
 */
export async function prepareJobs<W extends BoundPair>(
  inputs: AsyncIterable<W>,
  context: CommandContext,
): Promise<readonly PairJob<W>[]> {
  const jobs: PairJob<W>[] = [];
  for await (const bound of inputs) jobs.push(await toJob(bound, context));
  if (jobs.length === 0) {
    throw new SyncError("connection", "No session came through the pipe: the command before this one returned none.", {
      operation: "read the session",
    });
  }
  const written = jobs.filter((job) => job.mode.mode !== "Remote").map((job) => job.local.root.diskPath);
  const repeated = written.find((path, index) => written.indexOf(path) !== index);
  if (repeated !== undefined) {
    throw badInput(
      `Two sessions would write to the one folder "${repeated}": give each its own, such as -LocalPath './site/\${host}'.`,
    );
  }
  return jobs;
}

/** Opens the session and both roots. Rejects with the error of the server or of the parameters. */
export async function openPair<W extends BoundPair>(job: PairJob<W>, context: CommandContext): Promise<OpenPair> {
  const { bound } = job;
  const { session, own } = await openOrReuseSession(bound, context);
  try {
    const folder = resolveRemoteFolder(bound, { session, mode: job.mode });
    const remote = folder === undefined ? session.remote : await session.remote.withRoot(folder, context);
    const run: Run = { ...job.run, session: session.label, remotePath: remote.root.path };
    const defaulted: Side[] = bound.LocalPath === undefined ? ["local"] : [];
    if (bound.RemotePath === undefined && !session.hasPath) defaulted.push("remote");
    return { session, ownsSession: own, sides: await openSides(job, { remote, context }), run, defaulted };
  } catch (error) {
    if (own) await session[Symbol.asyncDispose]();
    throw error;
  }
}

async function openSides<W extends BoundPair>(
  { bound, mode, local }: PairJob<W>,
  { remote, context: { signal } }: { readonly remote: Backend; readonly context: CommandContext },
): Promise<OpenPair["sides"]> {
  if (bound.Links !== "Follow") return { local, remote };
  const options = { outside: bound.AllowLinksOutside, signal };
  return sourceOf(mode.mode) === "local"
    ? { local: await followLinks(local, options), remote }
    : { local, remote: await followLinks(remote, options) };
}

async function openOrReuseSession(
  bound: BoundPair,
  context: CommandContext,
): Promise<{ readonly session: Session; readonly own: boolean }> {
  if (bound.Session !== undefined) return await bound.Session.open(context);
  return { session: await openSessionFor(bound, addressOf(bound), context), own: true };
}

function addressOf(bound: BoundPair): string | undefined {
  return isServerAddress(bound.RemotePath) ? bound.RemotePath : undefined;
}

async function toJob<W extends BoundPair>(bound: W, context: CommandContext): Promise<PairJob<W>> {
  const mode = toMode(bound);
  if (isServerAddress(bound.LocalPath)) {
    throw badInput(
      "-LocalPath is a folder of this machine: write the local folder first, as in Sync-Path ./folder ADDRESS -Mode Local.",
    );
  }
  if (needsSession(bound)) {
    if (bound.RemotePath !== undefined) rejectLookalike(bound.RemotePath, protocols);
    throw badInput(
      "No server is named: write an address as RemotePath, such as sftp://user@host/path, or pipe a session in from New-Session.",
      "MissingMandatoryParameter",
    );
  }
  const folder = resolveLocalFolder(bound, context);
  const home = context.env("HOME") ?? context.env("USERPROFILE");
  const local = await openLocal(folder, { home, signal: context.signal });
  if (bound.LocalPath === undefined && mode.mode !== "Local" && local.root.risk !== undefined) {
    throw badInput(
      `The current folder is ${local.root.risk}: say which folder with -LocalPath.`,
      "MissingMandatoryParameter",
    );
  }
  await checkLocal(local, mode, context);
  const run: Run = {
    session: describeConnection(bound.Session ?? toConnectionSpec(bound, addressOf(bound))),
    localPath: local.root.path,
    remotePath: isServerAddress(bound.RemotePath)
      ? toConnectionSpec(bound, bound.RemotePath).address.path
      : bound.RemotePath ?? "",
    mode: mode.mode,
    whatIf: context.common.whatIf,
  };
  return { bound, mode, local, run };
}

/**
 * Checks the local root before any connection: it must not be a file, and must exist if it is the source. -Remove and
 * the history are checked later.
 */
async function checkLocal(local: Backend, { mode }: SyncMode, context: CommandContext): Promise<void> {
  const found = await local.stat(root, context);
  if (found !== undefined && found.kind !== "dir") {
    throw badInput(`"${local.root.path}" is no folder: -LocalPath takes the folder to sync, not a file.`);
  }
  if (found === undefined && sourceOf(mode) === "local") {
    throw badInput(`The local folder "${local.root.path}" does not exist: nothing can be copied from it.`);
  }
}

function resolveLocalFolder(bound: BoundPair, context: CommandContext): string {
  const given = bound.LocalPath ?? ".";
  rejectLookalike(given, protocols);
  const address = bound.Session?.address ??
    (needsSession(bound) ? undefined : toConnectionSpec(bound, addressOf(bound)).address);
  const filled = given.replaceAll("${host}", address?.host ?? "");
  const home = context.env("HOME") ?? context.env("USERPROFILE");
  return home !== undefined && /^~(?=[/\\]|$)/.test(filled) ? home + filled.slice(1) : filled;
}

/** Returns the remote folder to open; undefined: the session's start folder. */
function resolveRemoteFolder(
  bound: BoundPair,
  options: { readonly session: Session; readonly mode: SyncMode },
): string | undefined {
  if (bound.RemotePath !== undefined && !isServerAddress(bound.RemotePath)) return bound.RemotePath;
  if (options.session.hasPath) return undefined;
  if (options.mode.mode === "Local" && !bound.Remove && !options.mode.mirror) return "/";
  throw badInput(
    "No remote folder is named: write it as RemotePath, or in the address: sftp://user@host/path.",
    "MissingMandatoryParameter",
  );
}
