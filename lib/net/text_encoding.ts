import { Buffer } from "node:buffer";

/** An encoding of text as bytes, written as strings of one character per byte. */
export interface TextEncoding {
  /** The name in lower case: "utf8", "latin1", or the standard one, such as "windows-1251". */
  readonly name: string;
  /** Returns the text of these bytes, with U+FFFD in it if they are no text that encode() would write in the same way. */
  decode(bytes: string): string;
  /** Returns the bytes of a text, or undefined if the encoding cannot represent it. */
  encode(text: string): string | undefined;
}

/**
 * Returns the encoding of this name, undefined if it is unknown or unfit for names: "utf8", "latin1" (one byte, one
 * character), and those of one or two bytes for each character that the runtime decodes, as "cp1251", "gbk",
 * "shift_jis" or "euc-kr".
 */
export function findEncoding(name: string): TextEncoding | undefined {
  const label = name.trim().toLowerCase();
  if (/^utf-?8$/.test(label)) return utf8;
  if (/^(?:latin-?1|iso-?8859-1)$/.test(label)) return latin1;
  const known = tables.get(label);
  if (known !== undefined) return known;
  const decoder = toDecoder(CODE_PAGES[label] ?? label);
  if (decoder === undefined) return undefined;
  const table = new TableEncoding(decoder);
  tables.set(label, table);
  return table;
}

const tables = new Map<string, TextEncoding>();

/** Numbers of code pages under which the standard knows other names. */
const CODE_PAGES: Readonly<Record<string, string>> = {
  cp932: "shift_jis",
  cp936: "gbk",
  cp949: "euc-kr",
  cp950: "big5",
  "koi8r": "koi8-r",
};

/** Encodings whose bytes depend on what came before them, or in which ASCII has other bytes. */
const UNFIT = /^(?:utf-16|iso-2022|replacement|x-user-defined)/;

function toDecoder(label: string): TextDecoder | undefined {
  try {
    const decoder = new TextDecoder(label, { ignoreBOM: true });
    return UNFIT.test(decoder.encoding) ? undefined : decoder;
  } catch {
    return undefined;
  }
}

const utf8: TextEncoding = {
  name: "utf8",
  decode: (bytes) => Buffer.from(bytes, "latin1").toString("utf8"),
  encode: (text) => Buffer.from(text, "utf8").toString("latin1"),
};

const latin1: TextEncoding = {
  name: "latin1",
  decode: (bytes) => bytes,
  encode: (text) => /[\u0100-\uffff]/.test(text) ? undefined : text,
};

/** An encoding whose table is made from a decoder. */
class TableEncoding implements TextEncoding {
  readonly name: string;
  readonly #decoder: TextDecoder;
  #bytesByPoint: ReadonlyMap<string, string> | undefined;

  constructor(decoder: TextDecoder) {
    this.#decoder = decoder;
    this.name = decoder.encoding;
  }

  decode(bytes: string): string {
    const text = this.#decode(bytes);
    return this.encode(text) === bytes ? text : `${text}\ufffd`;
  }

  encode(text: string): string | undefined {
    const table = this.#bytesByPoint ??= this.#makeTable();
    let bytes = "";
    for (const point of text) {
      const known = table.get(point);
      if (known === undefined) return undefined;
      bytes += known;
    }
    return bytes;
  }

  #decode(bytes: string): string {
    return this.#decoder.decode(Buffer.from(bytes, "latin1"));
  }

  /** Decodes every sequence of one and two bytes; the first of several for one character counts. */
  #makeTable(): ReadonlyMap<string, string> {
    const table = new Map<string, string>();
    const add = (bytes: string) => {
      const [point, more] = this.#decode(bytes);
      if (point !== undefined && more === undefined && point !== "\ufffd" && !table.has(point)) table.set(point, bytes);
    };
    const leads: number[] = [];
    for (let byte = 0; byte < 256; byte++) {
      add(String.fromCharCode(byte));
      if (byte >= 0x80 && this.#decode(String.fromCharCode(byte)).includes("\ufffd")) leads.push(byte);
    }
    for (const lead of leads) {
      for (let trail = 0x30; trail < 256; trail++) add(String.fromCharCode(lead, trail));
    }
    return table;
  }
}
