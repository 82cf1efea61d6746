import { Lines } from "../../lib/backends/ftp_lines.ts";
import { listLines } from "../../lib/backends/ftp_list.ts";
import { asListing } from "./ftp_mlsd.ts";

const NOW = Date.UTC(2026, 10, 22, 12);

/** Reads any bytes as a LIST, as they would come in pieces. Throws nothing but a SyncError. */
export function fuzzFtpList(bytes: Uint8Array): void {
  for (const zone of [0, 19_800_000]) {
    asListing(bytes, (settings) => {
      const listing = listLines({ ...settings, clock: { now: NOW, zone } });
      return { listing, lines: new Lines((line) => listing.take(line)) };
    });
  }
}
