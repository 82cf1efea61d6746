import assert from "node:assert/strict";
import { mlsdParser, optsMlstCommand, parseMlst } from "../../lib/backends/ftp/mlsd_parser.ts";
import {
  LineSplitter,
  type ListingParser,
  type ListSettings,
  parseTime,
} from "../../lib/backends/ftp/listing_parser.ts";
import { listParser } from "../../lib/backends/ftp/ls_parser.ts";
import { errorKindOf, serverMessage, toSyncError } from "../../lib/backends/ftp/errors.ts";
import { parseEpsvPort, parseFeatures, parsePasvPort, parsePwdFolder } from "../../lib/backends/ftp/replies.ts";
import { CloseNotifyDetector } from "../../lib/net/close_notify.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { isChild, toRelPath } from "../../lib/core/path.ts";
import { corpus, mlsdCorpus } from "../unit/backends/ftp/listing_corpus.ts";
import type { FuzzTarget } from "./target.ts";

const NOW = Date.UTC(2026, 10, 22, 12);
const dir = toRelPath("d");
const file = toRelPath("d/f");
const { signal } = new AbortController();
/** Most pieces in which an input comes: a longer one comes in longer pieces. */
const MOST_PIECES = 2_048;

/** Whether a listing is refused as one that cannot be read. */
const isRange = (error: unknown) => error instanceof RangeError || error instanceof SyncError;
const isSyncError = (error: unknown) => error instanceof SyncError;

const NAMES = ["..", "/", "a/b", "\0", "\u00ff", "\x1b[", " -> a", "\r\n", "\n", "\r", "  "];

/** What FTP servers send on both of their connections. */
export const ftpTargets: readonly FuzzTarget[] = [
  {
    name: "ftp-lines",
    seeds: ["a\r\nb\nc\r\n", "a\nb\n", "a\r\n\r\nb"],
    tokens: ["\r\n", "\n", "\r", "\0", "\u00ff"],
    run(bytes) {
      const found: string[] = [];
      const lines = new LineSplitter((line) => found.push(line));
      takeInPieces(lines, bytes);
      const isWhole = lines.finish();
      assert.ok(found.every((line) => line !== "" && !line.includes("\r\n")), "a line holds no line's end");
      assert.ok(found.reduce((sum, line) => sum + line.length, 0) <= bytes.length);
      return [isWhole, found];
    },
    expects: isRange,
  },
  {
    name: "ftp-list",
    seeds: [
      "total 3\r\n-rw-r--r--   1 ftp ftp 1234 Nov 14 2023 a b\r\ndrwxr-xr-x 2 ftp ftp 4096 Nov 14 22:13 d\r\n" +
      "lrwxrwxrwx 1 ftp ftp 1 Jan  1 12:00 l -> a\r\n",
      "11-22-26  07:48AM       <DIR>          d\r\n2026-01-31  07:48    12 a.txt\r\n",
      ...corpus.flatMap(({ lines }) => lines.map(([line]) => `${line.replaceAll("\n", "\r\n")}\r\n`)),
    ],
    tokens: [
      ...["-rw-r--r-- ", "drwxr-xr-x ", "lrwxrwxrwx ", "1 ftp ", "1234 ", "Nov 14 ", "Feb 30 ", "2023 ", "22:13 "],
      ...[
        "11-22-26 ",
        "07:48AM ",
        "<DIR> ",
        "total 9",
        "2026-01-31 ",
        "15:13:10 ",
        "+0100 ",
        ";1 ",
        "+r,s1,\t",
        ...NAMES,
      ],
    ],
    run: (bytes) =>
      readListing(
        bytes,
        (settings) =>
          listParser({ ...settings, clock: { now: NOW, zoneOffset: bytes.length % 4 < 2 ? 0 : 19_800_000 } }),
      ),
    expects: isRange,
  },
  {
    name: "ftp-mlsd",
    seeds: [
      "type=cdir;unique=1; d\r\ntype=file;size=12;modify=20231114221320.5;UNIX.mode=0644; a b\r\n" +
      "type=dir;unique=2;UNIX.groupname=a b; e\r\ntype=OS.unix=slink:/x y; l\r\n",
      ...mlsdCorpus.map(([line]) => `${line}\r\n`),
    ],
    tokens: [
      ...["type=file;", "type=dir;", "type=cdir;", "type=pdir;", "type=OS.unix=slink:/x y;", "size=", "size=-1;"],
      ...["modify=20231114221320;", "unique=1;", "UNIX.mode=0755;", ";", "=", "; ", ...NAMES],
    ],
    run: (bytes) =>
      readListing(bytes, (settings) => mlsdParser(settings, (path) => assert.ok(path === dir || isChild(path, dir)))),
    expects: isRange,
  },
  {
    name: "ftp-facts",
    seeds: ["type=file;size=12;modify=20231114221320; /d/f", "type*;size*;modify*;UNIX.mode*;unique;"],
    tokens: ["type=file;", "type=dir;", "size=", "modify=20231114221320;", "type*;", "size*;", "*", "; ", ...NAMES],
    run(bytes) {
      const text = new TextDecoder("latin1").decode(bytes);
      const command = optsMlstCommand(text);
      // deno-lint-ignore no-control-regex
      assert.ok(command === undefined || !/[\u0000-\u001f\u007f]/.test(command), "it is one command");
      return [command, parseMlst(`250-Listing\n ${text}\n250 End`, file)];
    },
    expects: isSyncError,
  },
  {
    name: "ftp-replies",
    seeds: [
      "229 Entering Extended Passive Mode (|||2121|)",
      "227 Entering Passive Mode (127,0,0,1,8,8)",
      ...['257 "/a""b" is the current directory', "550 /d/f: Permission denied", "213 20231114221320"],
      "211-Features:\n MLST type*;size*;\n UTF8\n SITE UTIME\n211 End",
    ],
    tokens: [
      ...["229 (|||", "227 (", ",", "|", '"', '""', "257 ", "211-", "\n211 ", "\n MLST ", "550 ", "450 ", "421 "],
      ...["No such file", "not found", "denied", "quota", "213 20231114221320", ...NAMES],
    ],
    run(bytes) {
      const text = new TextDecoder("latin1").decode(bytes);
      const reply = { code: Number(/^\d{3}/.exec(text)?.[0] ?? 200), text };
      const ports = [parseEpsvPort(reply), parsePasvPort(reply)];
      for (const port of ports) assert.ok(port === undefined || (port > 0 && port < 65536), `port ${port}`);
      const features = [...parseFeatures(reply).keys()];
      for (const name of features) assert.equal(name, name.toUpperCase());
      // deno-lint-ignore no-control-regex
      assert.ok(!/[\u0000-\u001f\u007f-\u009f]/.test(serverMessage(reply)), "what is shown acts on no terminal");
      assert.ok(toSyncError({ signal, operation: "read", path: file }, reply) instanceof SyncError);
      const time = parseTime(text.slice(4));
      assert.ok(time === undefined || Number.isFinite(time));
      return [ports, features, parsePwdFolder(reply), errorKindOf(reply), time !== undefined];
    },
    expects: isSyncError,
  },
  {
    name: "tls-records",
    seeds: ["\x16\x03\x03\0\x05hello\x17\x03\x03\0\x13nineteen bytes here", "\x15\x03\x03\0\x02\x01\0"],
    tokens: ["\x15\x03\x03\0\x02", "\x17\x03\x03\0\x13", "\x17\x03\x03\x40\0", "\0"],
    run(bytes) {
      const [whole, pieces] = [new CloseNotifyDetector(), new CloseNotifyDetector()];
      whole.push(bytes);
      takeInPieces({ take: (piece) => pieces.push(piece) }, bytes);
      assert.equal(pieces.endedCleanly, whole.endedCleanly);
      return { [whole.endedCleanly ? "told" : "cut"]: bytes };
    },
    expects: isRange,
  },
];

/** Reads a listing that comes in pieces, and checks that all of it lies in its folder. */
function readListing(bytes: Uint8Array, begin: (settings: ListSettings) => ListingParser) {
  const listing = begin({ dir, encoding: bytes.length % 2 === 0 ? "utf8" : "latin1" });
  const lines = new LineSplitter((line) => listing.addLine(line));
  takeInPieces(lines, bytes);
  if (!lines.finish()) return "cut";
  const { entries, lineCount: count, unreadableCount: unread } = listing.result();
  for (const entry of entries) {
    assert.ok(isChild(entry.path, dir), entry.path);
    if (entry.kind === "file") assert.ok(Number.isSafeInteger(entry.size) && entry.size >= 0, `size ${entry.size}`);
  }
  assert.ok(entries.length <= count && (unread === 0 || entries.some((one) => one.kind === "opaque")));
  return entries;
}

function takeInPieces(parser: { take(piece: Uint8Array): void }, bytes: Uint8Array): void {
  const piece = Math.max(1 + (bytes[0] ?? 0) % 64, Math.ceil(bytes.length / MOST_PIECES));
  for (let at = 0; at < bytes.length; at += piece) parser.take(bytes.subarray(at, at + piece));
}
