import { SyncError } from "../../core/errors.ts";
import { escapeForDisplay, type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { readListing, readPlainListing } from "./list.ts";
import type { ControlConnection } from "./control_connection.ts";
import { opaqueLink } from "./formats/line.ts";
import { mayBeUnread } from "./listing_parser.ts";
import {
  childOf,
  type FetchedListing,
  type FolderListing,
  type FtpOperation,
  type FtpSession,
  type LinkedFolders,
  type PathContext,
  serverNameOf,
  serverParentOf,
} from "./session.ts";
import { operationError } from "../../core/operation.ts";

/** The identity of a listed folder. */
interface FolderIdentity {
  readonly unique: string | undefined;
  readonly fingerprint: string;
}

/**
 * The links that listings showed on a server, by the server's own names. A server may show a link as its target
 * (ProFTPD with ShowSymlinks off, Pure-FTPd with -b). Such links are detected when it matters: a child folder that is
 * one of its own ancestors is a link, and before anything in a folder is removed, LIST is read for links.
 */
export class LinkedFolderIndex implements LinkedFolders {
  readonly #links = new Set<string>();
  readonly #identities = new Map<string, FolderIdentity>();
  readonly #linksByFolder = new Map<string, Promise<ListedLinks>>();
  readonly #roots = new Set<string>();

  /** Adds a folder that the user chose as a root. The folders above it were the user's choice too, and may be links. */
  addRoot(serverPath: string): void {
    this.#roots.add(serverPath);
  }

  /** Whether a listing showed a link at the path. */
  isLink(serverPath: string): boolean {
    return this.#links.has(serverPath);
  }

  isListed(serverPath: string): boolean {
    return this.#identities.has(serverPath);
  }

  /**
   * Returns the entries of a listing. A folder that leads back to one of its ancestors becomes a link; rejects with
   * refused if the listed folder itself is such a link.
   */
  async markLinks(
    { entries, uniques, fingerprint }: FolderListing,
    operation: FtpOperation,
  ): Promise<readonly Entry[]> {
    const { serverPath, path } = operation.context;
    const seen = { unique: uniques.get(path), fingerprint };
    if (fingerprint !== "" && !this.#identities.has(serverPath)) await this.#assertNoLoop(seen, operation);
    this.#identities.set(serverPath, seen);
    const learned: Entry[] = [];
    for (const entry of entries) {
      const known = entry.kind === "dir" && await this.#isLinkToAncestor(entry.path, uniques.get(entry.path), operation)
        ? opaqueLink(entry.path)
        : entry;
      learned.push(known);
      const child = childOf(serverPath, serverNameOf(entry.path));
      if (known.kind === "opaque" && known.cause === "link") this.#links.add(child);
      else if (this.#links.size > 0) this.#links.delete(child);
    }
    return learned;
  }

  /** Rejects with refused if LIST shows an ancestor of the path as a link, or the path itself if `isFolder`. */
  async assertNoLinkAbove({ isFolder, ...operation }: FtpOperation & { readonly isFolder: boolean }): Promise<void> {
    const { context } = operation;
    const chain = [...(isFolder ? [context.serverPath] : []), ...ancestorsOf(context.serverPath)];
    const top = Math.max(...chain.map((one) => this.#roots.has(one) ? one.length : 0));
    for (const folder of chain.filter(({ length }) => length > top).reverse()) {
      if (!await this.#isListedAsLink(folder, operation)) continue;
      const why = `"${escapeForDisplay(folder)}" is a link, and what it points to is left alone`;
      throw operationError(context, "refused", { why });
    }
  }

  /** Whether a child is the listed folder or one of its ancestors: both the UNIQUE fact and the content are equal. */
  async #isLinkToAncestor(
    path: RelPath,
    unique: string | undefined,
    { control, session, context }: FtpOperation,
  ): Promise<boolean> {
    if (unique === undefined) return false;
    const above = [context.serverPath, ...ancestorsOf(context.serverPath)].map((one) => this.#identities.get(one));
    const same = above.find((seen) => seen?.unique === unique);
    if (same === undefined) return false;
    const inner = await undefinedIfRefused(
      readListing(control, session, { ...context, path, serverPath: childOf(context.serverPath, serverNameOf(path)) }),
    );
    return inner?.fingerprint === same.fingerprint;
  }

  /**
   * Rejects a folder that seems to be a link to one of its ancestors, for servers without UNIQUE facts. A listing equal
   * to that of an ancestor counts if LIST shows a link, and always after a few repeats.
   */
  async #assertNoLoop({ unique, fingerprint }: FolderIdentity, operation: FtpOperation): Promise<void> {
    const { context } = operation;
    const same = ancestorsOf(context.serverPath).map((one) => this.#identities.get(one)).filter((seen) =>
      seen?.fingerprint === fingerprint && (unique === undefined || seen.unique === undefined || seen.unique === unique)
    );
    if (same.length === 0) return;
    if (same.length < MAX_REPEATS && !await this.#isListedAsLink(context.serverPath, operation)) return;
    const why =
      "its listing equals that of a folder above it, so it seems to be a link that leads back there: exclude it, or remove it";
    throw operationError(context, "refused", { why });
  }

  async #isListedAsLink(serverPath: string, { control, session, context }: FtpOperation): Promise<boolean> {
    const holder = serverParentOf(serverPath);
    const known = await this.#linksByFolder.get(holder)?.catch(() => undefined);
    if (known !== undefined) return known.has(serverPath);
    const asked = listLinks(control, session, { ...context, path: root, serverPath: holder });
    this.#linksByFolder.set(holder, asked);
    asked.catch(() => this.#linksByFolder.delete(holder));
    return (await asked).has(serverPath);
  }
}

/** The links that LIST shows in a folder, also those whose lines cannot be read for certain. */
interface ListedLinks {
  has(serverPath: string): boolean;
}

/** The number of equal ancestors that proves a link: equal folders may be nested, but rarely so deep. */
const MAX_REPEATS = 4;

/**
 * Returns the links that LIST shows in a folder. Returns none if the server refuses LIST or writes it in an unknown
 * format.
 */
async function listLinks(
  control: ControlConnection,
  session: FtpSession,
  context: PathContext,
): Promise<ListedLinks> {
  const listing = await undefinedIfRefused(readPlainListing(control, session, context));
  const entries = listing?.entries.filter((one) => one.kind === "opaque" && one.cause === "link") ?? [];
  const links = new Set(entries.map(({ path }) => childOf(context.serverPath, serverNameOf(path))));
  const unreadLines = listing?.unreadLines?.filter((line) => /^[ \t]*l/.test(line)) ?? [];
  const doubtful = { unreadableCount: unreadLines.length, unreadLines };
  const rawName = (serverPath: string) => session.encoding.encode(serverNameOf(serverPath)) ?? "";
  return { has: (serverPath) => links.has(serverPath) || mayBeUnread(doubtful, rawName(serverPath)) };
}

/** Returns undefined after a refusal, which proves nothing. Rejects when the connection is lost. */
async function undefinedIfRefused(reading: Promise<FetchedListing>): Promise<FetchedListing | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof SyncError && REFUSAL_KINDS.includes(error.kind)) return undefined;
    throw error;
  }
}

const REFUSAL_KINDS: readonly string[] = ["denied", "notFound", "unsupported", "unexpected", "refused"];

/** Returns the ancestors of a path, the nearest first, "/" last. */
function ancestorsOf(serverPath: string): readonly string[] {
  const above: string[] = [];
  for (let folder = serverPath; folder !== "/";) above.push(folder = serverParentOf(folder));
  return above;
}
