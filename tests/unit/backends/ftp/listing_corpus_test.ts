import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DAY, MINUTE, SECOND } from "../../../../lib/backends/ftp/formats/line.ts";
import { listParser } from "../../../../lib/backends/ftp/ls_parser.ts";
import type { Entry } from "../../../../lib/core/entry.ts";
import { root } from "../../../../lib/core/path.ts";
import type { ListingParser } from "../../../../lib/backends/ftp/listing_parser.ts";
import { mlsdParser } from "../../../../lib/backends/ftp/mlsd_parser.ts";
import { corpus, mlsdCorpus } from "./listing_corpus.ts";
import type { CorpusPart } from "./unix_corpus.ts";

const now = Date.UTC(2026, 10, 22, 12, 0);

function shownAs(lines: string, { isBytes }: CorpusPart): string {
  const listing = listParser({ dir: root, encoding: "utf8", clock: { now, zoneOffset: 0 } });
  for (const line of lines.split("\n")) {
    listing.addLine(isBytes === true ? line : Buffer.from(line, "utf8").toString("latin1"));
  }
  return resultOf(listing);
}

function resultOf(listing: ListingParser): string {
  const { entries } = listing.result();
  const isIncomplete = entries.some((entry) => entry.kind === "opaque" && entry.incomplete === true);
  const read = entries.filter((entry) => entry.kind !== "opaque" || entry.incomplete !== true).map(describe);
  if (isIncomplete) return read.length === 0 ? "refused" : `refused beside ${read.join(" and ")}`;
  return read.length === 0 ? "none" : read.join(" and ");
}

function describe(entry: Entry): string {
  if (entry.kind === "opaque") return entry.cause === "name" ? "name" : `${entry.cause} ${entry.path}`;
  if (entry.kind !== "file") return `${entry.kind} ${entry.path}`;
  return `file ${entry.size} ${timeOf(entry.modified, entry.timeStep)} ${entry.path}`;
}

/** A time, cut to what its step tells. */
function timeOf(modified: number | undefined, step: number | undefined): string {
  if (modified === undefined) return "-";
  const text = new Date(modified).toISOString();
  const cut = new Map<number | undefined, number>([[DAY, 10], [MINUTE, 16], [SECOND, 19]]).get(step);
  return cut === undefined ? text.replace(".000Z", "Z") : text.slice(0, cut);
}

for (const part of corpus) {
  Deno.test(`lines of LIST become what they show, or make the folder incomplete: ${part.format}`, () => {
    const found = part.lines.map(([lines]) => [lines, shownAs(lines, part)]);
    assert.deepEqual(found, part.lines);
  });
}

Deno.test("lines of MLSD become what they show, or make the folder incomplete", () => {
  const found = mlsdCorpus.map(([line]) => {
    const listing = mlsdParser({ dir: root, encoding: "utf8" });
    listing.addLine(line);
    return [line, resultOf(listing)];
  });
  assert.deepEqual(found, mlsdCorpus);
});

Deno.test("the lines of LIST that are tried are many, in each format", () => {
  const count = corpus.reduce((sum, { lines }) => sum + lines.length, 0);
  assert.ok(count >= 250, `${count} lines`);
  for (const { format, lines } of corpus) assert.ok(lines.length >= 7, format);
});

Deno.test("every line of LIST that is cut or doubled is read in the same way, or makes the folder incomplete, or ends its name", () => {
  for (const part of corpus.filter(({ format }) => format.startsWith("Unix") || format === "DOS")) {
    for (const [line, expected] of part.lines) {
      // What is cut within a time or a zone that may be absent shows a date and a name.
      if (line.includes("\n") || !/^(?:file|dir) /.test(expected) || /-Jun-| [-+]\d{4} /.test(line)) continue;
      for (let length = 1; length < line.length; length++) {
        const cut = shownAs(line.slice(0, length), part);
        const isShorter = cut === "refused" || cut === "none" || cut === "name" || expected.startsWith(cut);
        assert.ok(isShorter, `${line.slice(0, length)}: ${cut}`);
      }
      assert.equal(shownAs(`${line}\n${line}`, part), expected);
    }
  }
});

Deno.test("a line of DOS with the day first takes the time of all lines away, whose order is in doubt then", () => {
  const lines = ["04-05-26  07:48AM 1 a", "27-04-26  07:48AM 2 b", "04-06-26  07:48AM <DIR>          c"].join("\n");
  assert.equal(shownAs(lines, { format: "", lines: [] }), "file 1 - a and file 2 - b and dir c");
});
