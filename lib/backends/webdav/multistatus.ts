import { XmlParser } from "../shared/xml.ts";

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
export interface MultistatusLimits {
  readonly bytes: number;
  readonly depth: number;
  readonly responses: number;
  readonly text: number;
}

export const DEFAULT_LIMITS: MultistatusLimits = { bytes: 64 << 20, depth: 32, responses: 5_000_000, text: 65_536 };

/** The namespace of Tandem's own property. */
export const OWN_NAMESPACE = "urn:tandem:sync";

/**
 * A streaming parser of a multistatus (RFC 4918, section 14.16). Throws a RangeError with a readable reason on anything
 * that is not a complete multistatus within its bounds: invalid XML, a DOCTYPE, a custom entity, or a limit that is
 * exceeded.
 */
export class MultistatusParser {
  readonly #limits: MultistatusLimits;
  readonly #decoder = new TextDecoder();
  readonly #parser: XmlParser;
  /** The open elements, each as its path from the root. */
  readonly #open: string[] = [];
  #responses: DavResponse[] = [];
  #count = 0;
  #bytes = 0;
  #isBegun = false;
  #isDone = false;
  #response = newResponse();
  #props: Props = {};
  #propStatus: number | undefined;
  #text: string | undefined;

  constructor(limits: MultistatusLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
    this.#parser = new XmlParser({
      onOpen: (name, namespace) => this.#onOpen(toName(name, namespace)),
      onText: (text) => this.#onText(text),
      onClose: () => this.#onClose(),
    }, { ...limits, namespaces: true });
  }

  /** Parses the next bytes. Returns the responses that they completed. */
  push(bytes: Uint8Array): readonly DavResponse[] {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limits.bytes) {
      throw new RangeError(`it is longer than ${this.#limits.bytes >> 20} MiB; -MaxFolderListing allows more`);
    }
    return this.#write(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Ends the input. Throws if the multistatus is not complete. */
  end(): readonly DavResponse[] {
    const last = this.#write(this.#decoder.decode());
    this.#parser.end();
    if (!this.#isDone) throw new RangeError("it is no multistatus");
    return last;
  }

  #write(text: string): readonly DavResponse[] {
    // Some servers send line feeds ahead of the XML declaration, or a mark of the byte order more than once.
    const trimmed = this.#isBegun ? text : text.replace(/^[\s\ufeff]+/, "");
    this.#isBegun ||= trimmed !== "";
    this.#parser.write(trimmed);
    const found = this.#responses;
    if (found.length > 0) this.#responses = [];
    return found;
  }

  #onOpen(name: string): void {
    const above = this.#open.at(-1);
    if (above === undefined && name !== ROOT_PATH) throw new RangeError("it is no multistatus");
    // Elements at unknown places are not distinguished.
    const path = above === undefined ? name : CHILD_PATHS.get(above)?.get(name) ?? "";
    this.#open.push(path);
    if (path === RESPONSE_PATH) this.#response = newResponse();
    if (path === PROPSTAT_PATH) {
      this.#props = {};
      this.#propStatus = undefined;
    }
    if (path === COLLECTION_PATH) this.#props.isFolder = true;
    this.#text = TEXT_PATHS.has(path) ? "" : undefined;
  }

  #onText(text: string): void {
    if (this.#text === undefined) return;
    this.#text += text;
    if (this.#text.length > this.#limits.text) throw new RangeError("a value in it is too long");
  }

  #onClose(): void {
    const path = this.#open.pop() ?? "";
    const text = this.#text?.trim();
    this.#text = undefined;
    if (path === ROOT_PATH) this.#isDone = true;
    else if (path === RESPONSE_PATH) this.#finishResponse();
    else if (path === PROPSTAT_PATH) this.#finishPropstat();
    else if (text !== undefined) this.#setValue(path, text);
  }

  #setValue(path: string, text: string): void {
    const key = VALUE_KEYS[path];
    if (path === `${RESPONSE_PATH} href`) this.#response.href ??= text;
    else if (path === `${RESPONSE_PATH} status`) this.#response.status = statusOf(text);
    else if (path === `${PROPSTAT_PATH} status`) this.#propStatus = statusOf(text);
    else if (key !== undefined && text !== "") this.#props[key] = text;
  }

  /** Adds the properties of a propstat with success. One without a status counts, because some servers leave it out. */
  #finishPropstat(): void {
    if (this.#propStatus !== undefined && Math.floor(this.#propStatus / 100) !== 2) return;
    Object.assign(this.#response.props, this.#props);
    this.#response.known = true;
  }

  #finishResponse(): void {
    if (++this.#count > this.#limits.responses) {
      throw new RangeError(`it holds more than ${this.#limits.responses} entries`);
    }
    const { href, status, props, known } = this.#response;
    if (href === undefined) throw new RangeError("an entry in it has no name");
    this.#responses.push({
      href,
      ...(status === undefined ? {} : { status }),
      props: { isFolder: false, ...props, known },
    });
  }
}

type Props = { -readonly [K in Exclude<keyof DavProps, "known">]?: DavProps[K] };

interface ResponseBuilder {
  href: string | undefined;
  status: number | undefined;
  known: boolean;
  readonly props: Props;
}

const ROOT_PATH = "multistatus";
const RESPONSE_PATH = `${ROOT_PATH} response`;
const PROPSTAT_PATH = `${RESPONSE_PATH} propstat`;
const COLLECTION_PATH = `${PROPSTAT_PATH} prop resourcetype collection`;
const OWNCLOUD = "http://owncloud.org/ns";

const VALUE_KEYS: Readonly<Record<string, Exclude<keyof DavProps, "known" | "isFolder">>> = {
  [`${PROPSTAT_PATH} prop getcontentlength`]: "length",
  [`${PROPSTAT_PATH} prop getlastmodified`]: "modified",
  [`${PROPSTAT_PATH} prop getetag`]: "etag",
  [`${PROPSTAT_PATH} prop own:edited`]: "edited",
  [`${PROPSTAT_PATH} prop oc:checksums oc:checksum`]: "checksums",
  [`${PROPSTAT_PATH} prop oc:id`]: "fileId",
};

const TEXT_PATHS: ReadonlySet<string> = new Set([
  ...[`${RESPONSE_PATH} href`, `${RESPONSE_PATH} status`, `${PROPSTAT_PATH} status`],
  ...Object.keys(VALUE_KEYS),
]);

/** All known places: each path by the path of its parent and its name. */
const CHILD_PATHS: ReadonlyMap<string, ReadonlyMap<string, string>> = toChildPaths([...TEXT_PATHS, COLLECTION_PATH]);

function toChildPaths(paths: Iterable<string>): ReadonlyMap<string, ReadonlyMap<string, string>> {
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

function newResponse(): ResponseBuilder {
  return { href: undefined, status: undefined, known: false, props: {} };
}

function toName(name: string, namespace: string): string {
  if (namespace === "DAV:") return name;
  if (namespace === OWN_NAMESPACE) return `own:${name}`;
  return namespace === OWNCLOUD ? `oc:${name}` : "?";
}

/** Parses "HTTP/1.1 404 Not Found". Returns 500 for anything else. */
function statusOf(line: string): number {
  const status = Number(/^HTTP\/[\d.]+ (\d{3})\b/.exec(line)?.[1]);
  return Number.isNaN(status) ? 500 : status;
}
