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

/** The children of one folder; a listing that ends early rejects. With notFound when it is absent, with denied when it cannot be read. */
export async function listFolder(link: FtpLink, site: Site, doing: Doing): Promise<Found> {
  const found = await readFolder(link, site, doing);
  return { ...found, entries: await site.learned.folders.learn(found, { link, site, doing }) };
}

/** What tells a folder that was listed from others. */
interface Seen {
  readonly unique: string | undefined;
  readonly print: string;
}

/**
 * What listings told of a server's folders, by the names that the server uses. A server may show a link as what it points to (ProFTPD with
 * ShowSymlinks off, Pure-FTPd with -b). That is found out where it matters: a folder that is one of those above it is a link, and LIST is
 * asked for links before anything in a folder is removed.
 */
export class Folders implements LinkedFolders {
  readonly #links = new Set<string>();
  readonly #seen = new Map<string, Seen>();
  readonly #shown = new Map<string, Promise<ReadonlySet<string>>>();
  readonly #roots = new Set<string>();

  /** What lies above such a folder was chosen by the user, and may be a link. */
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

  /** Returns the entries of a listing, a folder that leads back to one above it as a link. Rejects with refused when that is the listed folder itself. */
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

  /** Rejects with refused when LIST shows a folder above the path as a link, or the path itself where `isFolder`. */
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

  /** Whether a child is the listed folder or one above it: it has the UNIQUE fact of that one, and its content. */
  async #leadsBack(path: RelPath, unique: string | undefined, { link, site, doing }: Asking): Promise<boolean> {
    if (unique === undefined) return false;
    const above = [doing.at, ...foldersAbove(doing.at)].map((one) => this.#seen.get(one));
    const same = above.find((seen) => seen?.unique === unique);
    if (same === undefined) return false;
    const inner = await unlessRefused(readFolder(link, site, { ...doing, path, at: childOf(doing.at, nameAt(path)) }));
    return inner?.print === same.print;
  }

  /** A server without UNIQUE facts: a folder that has the listing of one above it is a link where LIST says so, and for certain after a few. */
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

/** Folders alike may lie in one another, but hardly so many. */
const MOST_REPEATS = 4;

/** The links that LIST shows in a folder; none where the server refuses LIST or writes it in a form of its own. */
async function shownLinks(link: FtpLink, site: Site, doing: Doing): Promise<ReadonlySet<string>> {
  const entries = (await unlessRefused(readPlainly(link, site, doing)))?.entries ?? [];
  const links = entries.filter((one) => one.kind === "opaque" && one.cause === "link");
  return new Set(links.map(({ path }) => childOf(doing.at, nameAt(path))));
}

/** A refusal tells nothing; a lost connection rejects. */
async function unlessRefused(reading: Promise<Found>): Promise<Found | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof SyncError && REFUSED.includes(error.kind)) return undefined;
    throw error;
  }
}

const REFUSED: readonly string[] = ["denied", "notFound", "unsupported", "unexpected", "refused"];

/** The folders above a path, the nearest first, "/" last. */
function foldersAbove(at: string): readonly string[] {
  const above: string[] = [];
  for (let folder = at; folder !== "/";) above.push(folder = parentAt(folder));
  return above;
}
