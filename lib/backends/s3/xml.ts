/** An element of a store's reply: its name without a namespace, its text, and its child elements. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly below: readonly XmlElement[];
}

/**
 * Parses the XML of a store, which consists of elements and text. Attributes, comments and processing instructions are
 * ignored. Throws a RangeError, with a readable reason, for malformed or truncated XML, a DOCTYPE, a custom entity, or
 * too much depth.
 */
export function parseXml(xml: string): XmlElement {
  const above: Making[] = [];
  const top: Making = { name: "", text: "", below: [] };
  let now = top;
  let at = 0;
  let count = 0;
  for (;;) {
    const start = xml.indexOf("<", at);
    if (start !== at) now.text += decoded(xml.slice(at, start < 0 ? undefined : start));
    if (start < 0) break;
    const kind = xml.charCodeAt(start + 1);
    if (kind === SLASH) {
      at = behind(xml, ">", start);
      const parent = above.pop();
      if (parent === undefined || localName(xml.slice(start + 2, at - 1).trimEnd()) !== now.name) throw broken();
      now = parent;
    } else if (kind === QUESTION) {
      at = behind(xml, "?>", start);
    } else if (kind === EXCLAMATION) {
      at = behindMark(xml, start, now);
    } else {
      if (++count > MOST_ELEMENTS) throw new RangeError(`its XML has more than ${MOST_ELEMENTS} elements`);
      at = behindTag(xml, start);
      const isEmpty = xml.charCodeAt(at - 2) === SLASH;
      const made: Making = { name: nameIn(xml, start + 1, at - (isEmpty ? 2 : 1)), text: "", below: NOTHING };
      if (now.below === NOTHING) now.below = [];
      now.below.push(made);
      if (isEmpty) continue;
      if (above.push(now) > DEPTH) throw new RangeError(`its XML is deeper than ${DEPTH} elements`);
      now = made;
    }
  }
  const [root, second] = top.below;
  if (now !== top || root === undefined || second !== undefined || top.text.trim() !== "") throw broken();
  return root;
}

/** Returns the text of the first child of this name; undefined if there is none. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.below.find((one) => one.name === name)?.text;
}

/** Escapes text for XML. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

interface Making {
  readonly name: string;
  text: string;
  below: Making[];
}

/** Most elements have no children, and share this list. */
const NOTHING: Making[] = [];
const DEPTH = 16;
/** A page of 1,000 keys has at most about 20 for each. */
const MOST_ELEMENTS = 200_000;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const EXCLAMATION = 0x21;
const QUOTE = /["']/;
/** A tag up to its end: a value in quotes may contain ">". */
const TAG = /[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>/y;

function broken(): RangeError {
  return new RangeError("its XML is broken");
}

function behind(xml: string, end: string, from: number): number {
  const at = xml.indexOf(end, from);
  if (at < 0) throw broken();
  return at + end.length;
}

function behindTag(xml: string, start: number): number {
  const at = behind(xml, ">", start);
  if (!QUOTE.test(xml.slice(start, at))) return at;
  TAG.lastIndex = start;
  if (!TAG.test(xml)) throw broken();
  return TAG.lastIndex;
}

function behindMark(xml: string, start: number, now: Making): number {
  if (xml.startsWith("<!--", start)) return behind(xml, "-->", start + 4);
  if (!xml.startsWith("<![CDATA[", start)) throw new RangeError("its XML has a DOCTYPE, which is refused");
  const at = behind(xml, "]]>", start);
  now.text += xml.slice(start + 9, at - 3);
  return at;
}

function nameIn(xml: string, from: number, to: number): string {
  const tag = xml.slice(from, to);
  const name = localName(/^[^\s]*/.exec(tag)?.[0] ?? "");
  if (name === "") throw broken();
  return name;
}

function localName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

/**
 * Returns the text with its entities resolved. A hand-written loop, because a regular expression would find all of
 * millions of invalid ones before it reports the first.
 */
function decoded(text: string): string {
  let at = text.indexOf("&");
  if (at < 0) return text;
  let whole = "";
  let from = 0;
  for (; at >= 0; at = text.indexOf("&", from)) {
    const end = text.slice(at, at + LONGEST_ENTITY).indexOf(";");
    if (end < 0) throw ownEntity();
    whole += text.slice(from, at) + toChar(text.slice(at + 1, at + end));
    from = at + end + 1;
  }
  return whole + text.slice(from);
}

function toChar(name: string): string {
  const [, decimal, hex] = /^#(?:(\d{1,7})|x([\da-f]{1,6}))$/i.exec(name) ?? [];
  const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? parseInt(hex, 16) : undefined;
  if (code !== undefined && code <= 0x10ffff) return String.fromCodePoint(code);
  const char = code === undefined && Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : undefined;
  if (char === undefined) throw ownEntity();
  return char;
}

function ownEntity(): RangeError {
  return new RangeError("its XML has an entity of its own, which is refused");
}

/** "&#1114111;" and some leading zeros. */
const LONGEST_ENTITY = 12;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
