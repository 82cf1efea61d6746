import { type XmlHandler, XmlParser } from "../shared/xml.ts";

/** An element of a store's reply: its name without a namespace, its text, and its child elements. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/**
 * Parses the XML of a store. Throws a RangeError, with a readable reason, for malformed or truncated XML, a DOCTYPE, a
 * custom entity, too many elements or too much depth. A character that XML forbids, also as "&#1;", becomes U+FFFD:
 * some stores send the keys of others unescaped, and every name check rejects such a name.
 */
export function parseXml(xml: string): XmlElement {
  // A store that needs minutes for an answer may send blanks first, so that the connection stays open.
  const text = xml.trimStart();
  try {
    return toTree(text);
  } catch (error) {
    if (text.search(FORBIDDEN) < 0) throw error;
    return toTree(text.replace(FORBIDDEN, "\ufffd"));
  }
}

/** Returns the text of the first child of this name; undefined if there is none. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((one) => one.name === name)?.text;
}

/** Escapes text for XML. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"'\r]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** The characters outside of the production Char of XML 1.0, and references to them. */
const FORBIDDEN =
  // deno-lint-ignore no-control-regex
  /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|x0*(?:[0-8bcef]|1[\da-f]));/gi;

const LIMITS = { depth: 16, text: 65_536 };
/** A page of 1,000 keys has at most about 20 for each. */
const MAX_ELEMENTS = 200_000;

interface OpenElement {
  readonly name: string;
  text: string;
  children: OpenElement[];
}

/** Most elements have no children, and share this list. */
const NO_CHILDREN: OpenElement[] = [];

function toTree(xml: string): XmlElement {
  const document: OpenElement = { name: "", text: "", children: NO_CHILDREN };
  const above: OpenElement[] = [];
  let current = document;
  let count = 0;
  const handler: XmlHandler = {
    onOpen(name) {
      if (++count > MAX_ELEMENTS) throw new RangeError(`its XML has more than ${MAX_ELEMENTS} elements`);
      const element: OpenElement = { name, text: "", children: NO_CHILDREN };
      if (current.children === NO_CHILDREN) current.children = [];
      current.children.push(element);
      above.push(current);
      current = element;
    },
    onText: (text) => void (current.text += text),
    onClose: () => void (current = above.pop() ?? document),
  };
  const parser = new XmlParser(handler, LIMITS);
  parser.write(xml);
  parser.end();
  const [root] = document.children;
  if (root === undefined) throw new RangeError("its XML is broken");
  return root;
}
