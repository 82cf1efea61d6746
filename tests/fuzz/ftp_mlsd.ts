import assert from "node:assert/strict";
import { SyncError } from "../../lib/errors.ts";
import { factsCommand, mlsdLines, parseMlst } from "../../lib/backends/ftp_facts.ts";
import { Lines } from "../../lib/backends/ftp_lines.ts";
import type { Listed, Listing, ListSettings } from "../../lib/backends/ftp_list.ts";
import { isChild, toRelPath } from "../../lib/path.ts";

const dir = toRelPath("d");

/** Reads any bytes as an MLSD listing, as facts in an MLST reply and as what FEAT tells of them. Throws nothing but a SyncError. */
export function fuzzFtpMlsd(bytes: Uint8Array): void {
  asListing(bytes, (settings) => {
    const listing = mlsdLines(settings, (path) => assert.ok(path === dir || isChild(path, dir)));
    return { listing, lines: new Lines((line) => listing.take(line)) };
  });
  const text = new TextDecoder("latin1").decode(bytes);
  parseMlst(`250-Listing\n ${text}\n250 End`, toRelPath("d/f"));
  const command = factsCommand(text);
  // deno-lint-ignore no-control-regex
  assert.ok(command === undefined || !/[\u0000-\u001f\u007f]/.test(command));
}

interface Reading {
  readonly listing: Listing;
  readonly lines: Lines;
}

/** Feeds the bytes in pieces; a RangeError is what a listing that is none ends in. What was read lies in its folder, each name once. */
export function asListing(bytes: Uint8Array, begin: (settings: ListSettings) => Reading): void {
  for (const spelling of ["utf8", "latin1"] as const) {
    const { listing, lines } = begin({ dir, spelling });
    try {
      const piece = 1 + (bytes[0] ?? 0);
      for (let at = 0; at < bytes.length; at += piece) lines.take(bytes.subarray(at, at + piece));
      if (lines.finish()) check(listing.result());
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyncError)) throw error;
    }
  }
}

function check({ entries, lines, unread }: Listed): void {
  for (const entry of entries) {
    assert.ok(isChild(entry.path, dir), entry.path);
    if (entry.kind === "file") assert.ok(Number.isSafeInteger(entry.size) && entry.size >= 0);
  }
  assert.ok(entries.length <= lines && (unread === 0 || entries.some((one) => one.kind === "opaque")));
}
