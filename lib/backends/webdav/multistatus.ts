import { SaxesParser, type SaxesTagNS } from "npm:saxes@6.0.0";

/** One response of a multistatus, unchecked, as it was sent. `status` applies to the whole response. */
export interface DavResponse {
  readonly href: string;
  readonly status?: number;
  readonly props: DavProps;
}

/** The properties that came with a 2xx status. `known`: whether there were any. */
export interface DavProps {
  readonly known: boolean;
  readonly isFolder: boolean;
  readonly length?: string;
  readonly modified?: string;
  readonly etag?: string;
  /** Tandem's own property: the edit time, bound to the version it was written for. */
  readonly edited?: string;
  /** ownCloud's checksums, "SHA1:… MD5:…". */
  readonly checksums?: string;
  /** ownCloud's file id, which identifies the server as ownCloud. */
  readonly fileId?: string;
}

/**
 * The limits of a reply; larger replies are refused. `text`: characters of one value, or of one tag, comment or other
 * piece of markup.
 */
export interface Bounds {
  readonly bytes: number;
  readonly depth: number;
  readonly responses: number;
  readonly text: number;
}

export const usualBounds: Bounds = { bytes: 64 << 20, depth: 32, responses: 5_000_000, text: 65_536 };

/** The namespace of Tandem's own property. */
export const OWN_NAMESPACE = "urn:tandem:sync";

/**
 * A streaming parser of a multistatus (RFC 4918, section 14.16). Throws a RangeError with a readable reason on anything
 * that is not a complete multistatus within its bounds: invalid XML, a DOCTYPE, a custom entity, or a limit that is
 * exceeded.
 */
export class Multistatus {
  readonly #bounds: Bounds;
  readonly #decoder = new TextDecoder();
  readonly #parser: SaxesParser<{ xmlns: true }>;
  /** The open elements, each as its path from the root. */
  readonly #open: string[] = [];
  #found: DavResponse[] = [];
  #count = 0;
  #bytes = 0;
  /** The position at which the current piece of markup began. */
  #begun = 0;
  #isDone = false;
  #response = newResponse();
  #props: Props = {};
  #propStatus: number | undefined;
  #text: string | undefined;

  constructor(bounds: Bounds = usualBounds) {
    this.#bounds = bounds;
    this.#parser = new SaxesParser({ xmlns: true, position: false });
    this.#parser.on("error", (error) => {
      throw new RangeError(`its XML is broken (${error.message.slice(0, 100)})`);
    });
    this.#parser.on("doctype", () => {
      throw new RangeError("its XML has a DOCTYPE, which is refused");
    });
    const after = <A extends readonly unknown[]>(work: (...args: A) => void) => (...args: A) => {
      this.#begun = this.#parser.position;
      work(...args);
    };
    this.#parser.on("opentag", after((tag: SaxesTagNS) => this.#onOpen(tag)));
    this.#parser.on("closetag", after(() => this.#onClose()));
    this.#parser.on("text", after((text: string) => this.#onText(text)));
    this.#parser.on("cdata", after((text: string) => this.#onText(text)));
    this.#parser.on("comment", after(() => {}));
    this.#parser.on("processinginstruction", after(() => {}));
  }

  /** Parses the next bytes. Returns the responses that they completed. */
  push(bytes: Uint8Array): readonly DavResponse[] {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#bounds.bytes) {
      throw new RangeError(`it is longer than ${this.#bounds.bytes >> 20} MiB; -MaxFolderListing allows more`);
    }
    return this.#write(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Ends the input. Throws if the multistatus is not complete. */
  end(): readonly DavResponse[] {
    const last = this.#write(this.#decoder.decode());
    this.#parser.close();
    if (!this.#isDone) throw new RangeError("it is no multistatus");
    return last;
  }

  #write(text: string): readonly DavResponse[] {
    for (let at = 0; at < text.length; at += STEP) {
      this.#parser.write(text.slice(at, at + STEP));
      if (this.#parser.position - this.#begun > this.#bounds.text) {
        throw new RangeError(`a tag, comment or text in it is longer than ${this.#bounds.text} characters`);
      }
    }
    const found = this.#found;
    if (found.length > 0) this.#found = [];
    return found;
  }

  #onOpen(tag: SaxesTagNS): void {
    const above = this.#open.at(-1);
    const name = nameOf(tag);
    if (above === undefined && name !== ROOT) throw new RangeError("it is no multistatus");
    // Elements at unknown places are not distinguished.
    const path = above === undefined ? name : PLACES.get(above)?.get(name) ?? "";
    if (this.#open.push(path) > this.#bounds.depth) throw new RangeError("its XML is nested too deep");
    if (path === RESPONSE) this.#response = newResponse();
    if (path === PROPSTAT) {
      this.#props = {};
      this.#propStatus = undefined;
    }
    if (path === COLLECTION) this.#props.isFolder = true;
    this.#text = TEXTS.has(path) ? "" : undefined;
  }

  #onText(text: string): void {
    if (this.#text === undefined) return;
    this.#text += text;
    if (this.#text.length > this.#bounds.text) throw new RangeError("a value in it is too long");
  }

  #onClose(): void {
    const path = this.#open.pop() ?? "";
    const text = this.#text?.trim();
    this.#text = undefined;
    if (path === ROOT) this.#isDone = true;
    else if (path === RESPONSE) this.#finish();
    else if (path === PROPSTAT) this.#merge();
    else if (text !== undefined) this.#keep(path, text);
  }

  #keep(path: string, text: string): void {
    const key = VALUES[path];
    if (path === `${RESPONSE} href`) this.#response.href ??= text;
    else if (path === `${RESPONSE} status`) this.#response.status = statusOf(text);
    else if (path === `${PROPSTAT} status`) this.#propStatus = statusOf(text);
    else if (key !== undefined && text !== "") this.#props[key] = text;
  }

  /** Adds the properties of a propstat with success. One without a status counts, because some servers leave it out. */
  #merge(): void {
    if (this.#propStatus !== undefined && Math.floor(this.#propStatus / 100) !== 2) return;
    Object.assign(this.#response.props, this.#props);
    this.#response.known = true;
  }

  #finish(): void {
    if (++this.#count > this.#bounds.responses) {
      throw new RangeError(`it holds more than ${this.#bounds.responses} entries`);
    }
    const { href, status, props, known } = this.#response;
    if (href === undefined) throw new RangeError("an entry in it has no name");
    this.#found.push({
      href,
      ...(status === undefined ? {} : { status }),
      props: { isFolder: false, ...props, known },
    });
  }
}

/** The number of characters parsed at once. After each step the length of the current piece of markup is checked. */
const STEP = 4096;

type Props = { -readonly [K in Exclude<keyof DavProps, "known">]?: DavProps[K] };

interface Making {
  href: string | undefined;
  status: number | undefined;
  known: boolean;
  readonly props: Props;
}

const ROOT = "multistatus";
const RESPONSE = `${ROOT} response`;
const PROPSTAT = `${RESPONSE} propstat`;
const COLLECTION = `${PROPSTAT} prop resourcetype collection`;
const OWNCLOUD = "http://owncloud.org/ns";

const VALUES: Readonly<Record<string, Exclude<keyof DavProps, "known" | "isFolder">>> = {
  [`${PROPSTAT} prop getcontentlength`]: "length",
  [`${PROPSTAT} prop getlastmodified`]: "modified",
  [`${PROPSTAT} prop getetag`]: "etag",
  [`${PROPSTAT} prop own:edited`]: "edited",
  [`${PROPSTAT} prop oc:checksums oc:checksum`]: "checksums",
  [`${PROPSTAT} prop oc:id`]: "fileId",
};

const TEXTS: ReadonlySet<string> = new Set([
  ...[`${RESPONSE} href`, `${RESPONSE} status`, `${PROPSTAT} status`],
  ...Object.keys(VALUES),
]);

/** All known places: each path by the path of its parent and its name. */
const PLACES: ReadonlyMap<string, ReadonlyMap<string, string>> = toPlaces([...TEXTS, COLLECTION]);

function toPlaces(paths: Iterable<string>): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const places = new Map<string, Map<string, string>>();
  for (const path of paths) {
    const names = path.split(" ");
    for (let i = 1; i < names.length; i++) {
      const above = names.slice(0, i).join(" ");
      const below = places.get(above) ?? new Map<string, string>();
      places.set(above, below.set(names[i] ?? "", names.slice(0, i + 1).join(" ")));
    }
  }
  return places;
}

function newResponse(): Making {
  return { href: undefined, status: undefined, known: false, props: {} };
}

function nameOf({ uri, local }: SaxesTagNS): string {
  if (uri === "DAV:") return local;
  if (uri === OWN_NAMESPACE) return `own:${local}`;
  return uri === OWNCLOUD ? `oc:${local}` : "?";
}

/** Parses "HTTP/1.1 404 Not Found". Returns 500 for anything else. */
function statusOf(line: string): number {
  const status = Number(/^HTTP\/[\d.]+ (\d{3})\b/.exec(line)?.[1]);
  return Number.isNaN(status) ? 500 : status;
}
