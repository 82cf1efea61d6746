import { SaxesParser } from "npm:saxes@6.0.0";

/** The limits of an XML document, and whether its namespaces are resolved. */
export interface XmlOptions {
  /** Without it an element's name is the part after its prefix: a fifth less work. */
  readonly namespaces?: boolean;
  /** Open elements at once. */
  readonly depth: number;
  /** Characters of one text or tag, comments and other markup before it included. */
  readonly text: number;
}

/** Receives the parts of a document in their order. A RangeError that it throws ends the parsing. */
export interface XmlHandler {
  /** The start of an element: its name without a prefix, and its namespace if it has one that is resolved. */
  onOpen(name: string, namespace: string): void;
  /** Text or CDATA in the element that is open. One text may come in several pieces. */
  onText(text: string): void;
  onClose(): void;
}

/**
 * A streaming parser of the XML that servers send. Attributes, comments and processing instructions are ignored. Throws
 * a RangeError with a readable reason for malformed or truncated XML, a DOCTYPE, an entity of the document's own, and
 * beyond a limit: no reply can refer to files or grow while it is parsed.
 */
export class XmlParser {
  readonly #options: XmlOptions;
  readonly #parser: SaxesParser;
  #depth = 0;
  #written = 0;
  /** The position at which the last tag or text ended. */
  #begun = 0;

  constructor(handler: XmlHandler, options: XmlOptions) {
    this.#options = options;
    const { namespaces = false } = options;
    const parser = new SaxesParser({ xmlns: namespaces, position: false });
    this.#parser = parser;
    // No handlers of comments and instructions: with more than six, V8 makes the parser a dictionary, four times as slow.
    parser.on("error", (error) => {
      throw new RangeError(`its XML is broken (${error.message.slice(0, 100)})`);
    });
    parser.on("doctype", () => {
      throw new RangeError("its XML has a DOCTYPE, which is refused");
    });
    parser.on("opentag", ({ name, local = name.slice(name.indexOf(":") + 1), uri = "" }) => {
      this.#begun = parser.position;
      if (++this.#depth > options.depth) throw new RangeError(`its XML is deeper than ${options.depth} elements`);
      handler.onOpen(local, uri);
    });
    parser.on("closetag", () => {
      this.#begun = parser.position;
      this.#depth--;
      handler.onClose();
    });
    const onText = (text: string) => {
      this.#begun = parser.position;
      handler.onText(text);
    };
    parser.on("text", onText);
    parser.on("cdata", onText);
  }

  /** Parses the next characters. */
  write(xml: string): void {
    for (let at = 0; at < xml.length; at += STEP) {
      const piece = xml.slice(at, at + STEP);
      this.#parser.write(piece);
      this.#written += piece.length;
      // The parser's own position counts a piece twice once it is parsed.
      if (this.#written - this.#begun > this.#options.text) {
        throw new RangeError(`a tag, comment or text in it is longer than ${this.#options.text} characters`);
      }
    }
  }

  /** Ends the document. Throws if an element is still open, or if there was none. */
  end(): void {
    this.#parser.close();
  }
}

/** The number of characters parsed at once. After each step the length of the current piece of markup is checked. */
const STEP = 4096;
