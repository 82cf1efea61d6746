import { SyncError } from "../../core/errors.ts";
import { printable, type RelPath, root } from "../../core/path.ts";
import type { Entry } from "../../core/entry.ts";
import { type Found, readFolder, readPlainly } from "./list.ts";
import type { FtpLink } from "./control_connection.ts";
import { aLink } from "./listing_parser.ts";
import {
  type Asking,
  childOf,
  type Doing,
  type FolderListing,
  type LinkedFolders,
  nameAt,
  parentAt,
  type Site,
} from "./session.ts";
import { operationError } from "../../core/operation.ts";

/**
 * Lists the children of one folder. Rejects when the listing ends early, with notFound when the folder is absent, and
 * with denied when it cannot be read.
 */
export async function listFolder(link: FtpLink, site: Site, doing: Doing): Promise<Found> {
  const found = await readFolder(link, site, doing);
  return { ...found, entries: await site.learned.folders.learn(found, { link, site, doing }) };
}

/** The identity of a listed folder. */
interface Seen {
  readonly unique: string | undefined;
  readonly print: string;
}

/**
 * The links that listings showed on a server, by the server's own names. A server may show a link as its target
 * (ProFTPD with ShowSymlinks off, Pure-FTPd with -b). Such links are detected when it matters: a child folder that is
 * one of its own ancestors is a link, and before anything in a folder is removed, LIST is asked for links.
 */
export class Folders implements LinkedFolders {
  readonly #links = new Set<string>();
  readonly #seen = new Map<string, Seen>();
  readonly #shown = new Map<string, Promise<ReadonlySet<string>>>();
  readonly #roots = new Set<string>();

  /** Adds a folder that the user chose as a root. The folders above it were the user's choice too, and may be links. */
  addRoot(at: string): void {
    this.#roots.add(at);
  }

  /** Whether a listing showed a link there. */
  isLink(at: string): boolean {
    return this.#links.has(at);
  }

  isListed(at: string): boolean {
    return this.#seen.has(at);
  }

  /**
   * Returns the entries of a listing. A folder that leads back to one of its ancestors becomes a link; rejects with
   * refused when the listed folder itself is such a link.
   */
  async learn({ entries, uniques, print }: FolderListing, asking: Asking): Promise<readonly Entry[]> {
    const { at, path } = asking.doing;
    const seen = { unique: uniques.get(path), print };
    if (print !== "" && !this.#seen.has(at)) await this.#mustNotRepeat(seen, asking);
    this.#seen.set(at, seen);
    const learned: Entry[] = [];
    for (const entry of entries) {
      const known = entry.kind === "dir" && await this.#leadsBack(entry.path, uniques.get(entry.path), asking)
        ? aLink(entry.path)
        : entry;
      learned.push(known);
      const child = childOf(at, nameAt(entry.path));
      if (known.kind === "opaque" && known.cause === "link") this.#links.add(child);
      else if (this.#links.size > 0) this.#links.delete(child);
    }
    return learned;
  }

  /** Rejects with refused when LIST shows an ancestor of the path as a link, or the path itself if `isFolder`. */
  async mustBeReal({ isFolder, ...asking }: Asking & { readonly isFolder: boolean }): Promise<void> {
    const { doing } = asking;
    const chain = [...(isFolder ? [doing.at] : []), ...foldersAbove(doing.at)];
    const top = Math.max(...chain.map((one) => this.#roots.has(one) ? one.length : 0));
    for (const folder of chain.filter(({ length }) => length > top).reverse()) {
      if (!await this.#isShownAsLink(folder, asking)) continue;
      const why = `"${printable(folder)}" is a link, and what it points to is left alone`;
      throw operationError(doing, "refused", { why });
    }
  }

  /** Whether a child is the listed folder or one of its ancestors: both the UNIQUE fact and the content are equal. */
  async #leadsBack(path: RelPath, unique: string | undefined, { link, site, doing }: Asking): Promise<boolean> {
    if (unique === undefined) return false;
    const above = [doing.at, ...foldersAbove(doing.at)].map((one) => this.#seen.get(one));
    const same = above.find((seen) => seen?.unique === unique);
    if (same === undefined) return false;
    const inner = await unlessRefused(readFolder(link, site, { ...doing, path, at: childOf(doing.at, nameAt(path)) }));
    return inner?.print === same.print;
  }

  /**
   * Rejects a folder that seems to be a link to one of its ancestors, for servers without UNIQUE facts. A listing equal
   * to that of an ancestor counts if LIST shows a link, and always after a few repeats.
   */
  async #mustNotRepeat({ unique, print }: Seen, asking: Asking): Promise<void> {
    const { doing } = asking;
    const same = foldersAbove(doing.at).map((one) => this.#seen.get(one)).filter((seen) =>
      seen?.print === print && (unique === undefined || seen.unique === undefined || seen.unique === unique)
    );
    if (same.length === 0) return;
    if (same.length < MOST_REPEATS && !await this.#isShownAsLink(doing.at, asking)) return;
    const why =
      "its listing is that of a folder above it: it seems to be a link that leads back there; leave it out, or remove it";
    throw operationError(doing, "refused", { why });
  }

  async #isShownAsLink(at: string, { link, site, doing }: Asking): Promise<boolean> {
    const holder = parentAt(at);
    const known = await this.#shown.get(holder)?.catch(() => undefined);
    if (known !== undefined) return known.has(at);
    const asked = shownLinks(link, site, { ...doing, path: root, at: holder });
    this.#shown.set(holder, asked);
    asked.catch(() => this.#shown.delete(holder));
    return (await asked).has(at);
  }
}

/** The number of equal ancestors that proves a link: equal folders may be nested, but hardly so deep. */
const MOST_REPEATS = 4;

/**
 * Returns the links that LIST shows in a folder. Returns none if the server refuses LIST or writes it in an unknown
 * format.
 */
async function shownLinks(link: FtpLink, site: Site, doing: Doing): Promise<ReadonlySet<string>> {
  const entries = (await unlessRefused(readPlainly(link, site, doing)))?.entries ?? [];
  const links = entries.filter((one) => one.kind === "opaque" && one.cause === "link");
  return new Set(links.map(({ path }) => childOf(doing.at, nameAt(path))));
}

/** Returns undefined after a refusal, which proves nothing. Rejects when the connection is lost. */
async function unlessRefused(reading: Promise<Found>): Promise<Found | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof SyncError && REFUSED.includes(error.kind)) return undefined;
    throw error;
  }
}

const REFUSED: readonly string[] = ["denied", "notFound", "unsupported", "unexpected", "refused"];

/** Returns the ancestors of a path, the nearest first, "/" last. */
function foldersAbove(at: string): readonly string[] {
  const above: string[] = [];
  for (let folder = at; folder !== "/";) above.push(folder = parentAt(folder));
  return above;
}
