import { ListingParser, type ListSettings } from "./listing_parser.ts";
import type { Clock, LineResult, ListFormat } from "./formats/line.ts";
import type { Entry } from "../../core/entry.ts";
import { dosFormat } from "./formats/dos.ts";
import { eplfFormat } from "./formats/eplf.ts";
import { mvsFormat, os400Format } from "./formats/host.ts";
import { unixFormat } from "./formats/unix.ts";
import { vmsFormat } from "./formats/vms.ts";

/** Parses the lines of a LIST in any of the formats of `formats/`. */
export function listParser({ clock, ...settings }: ListSettings & { readonly clock: Clock }): ListingParser {
  return new ListingParser(settings, new ListReader(clock));
}

/** The reader of one listing. The first line that can be read decides the format of all. */
class ListReader {
  readonly #clock: Clock;
  /** All formats until a line could be read, then the one of that line. */
  #formats: readonly ListFormat[] = newFormats();
  #isElsewhere = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  read(line: string): LineResult {
    if (this.#isElsewhere) return undefined;
    for (const format of this.#formats) {
      const found = format.read(line, this.#clock);
      if (found === undefined) continue;
      if (this.#formats.length > 1) this.#formats = [format];
      return found;
    }
    // Lines below "./folder:" belong to that folder (ls -R).
    this.#isElsewhere = /^\.?\/.*:$/.test(line);
    return undefined;
  }

  /**
   * Whether a first line is ls's "total 12", in any language: a word and a number of blocks. No line of an entry looks
   * like that.
   */
  isHeader(line: string): boolean {
    return /^[^ \t]+:?[ \t]+\d[\d.,]*(?:[KMGTP]i?)?B?[ \t]*$/i.test(line);
  }

  isWrapped(line: string): boolean {
    for (const format of this.#formats) if (format.isWrapped?.(line) === true) return true;
    return false;
  }

  join(first: string, second: string): string | undefined {
    for (const format of this.#formats) {
      const joined = format.join?.(first, second);
      if (joined !== undefined) return joined;
    }
    return undefined;
  }

  review(entry: Entry): Entry {
    return this.#formats.length > 1 ? entry : this.#formats[0]?.review?.(entry) ?? entry;
  }
}

function newFormats(): readonly ListFormat[] {
  return [unixFormat(), dosFormat(), eplfFormat(), vmsFormat(), os400Format(), mvsFormat()];
}
