import { Buffer } from "node:buffer";

/** A limit above the longest line of a listing: a name of 1,024 bytes after its facts. */
const MAX_LINE = 1 << 16;

/**
 * Splits incoming bytes into lines and passes each to `onLine` without its line ending. If any line ends in CRLF, all
 * do, and a lone line feed belongs to a name. If no CRLF came within the first 64 KiB, lines end in line feeds. Throws
 * a RangeError on a longer line, and when both line endings are mixed: either reading may be right.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #rest = "";
  #end: "\r\n" | "\n" | undefined;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  take(bytes: Uint8Array): void {
    this.#rest += toText(bytes);
    if (this.#end === undefined && this.#rest.includes("\r\n")) this.#end = "\r\n";
    if (this.#end === undefined && this.#rest.length > MAX_LINE) this.#end = "\n";
    if (this.#end !== undefined) this.#split(this.#end);
    if (this.#rest.length > MAX_LINE) throw new RangeError(`one of its lines is longer than ${MAX_LINE} bytes`);
  }

  /** Passes on the remaining lines. Returns false if the input ended in the middle of a line. */
  finish(): boolean {
    if (this.#end === undefined) this.#split("\n");
    return this.#rest === "";
  }

  #split(end: "\r\n" | "\n"): void {
    const lines = this.#rest.split(end);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (end === "\n" && line.endsWith("\r")) throw new RangeError("its lines end now in CRLF, now in LF");
      if (line !== "") this.#onLine(line);
    }
  }
}

function toText({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}
