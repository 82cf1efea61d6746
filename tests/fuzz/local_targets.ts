import assert from "node:assert/strict";
import { isIP } from "node:net";
import { formatAddress, redactAddress, rejectLookalike } from "../../lib/core/address.ts";
import { protocols } from "../../lib/backends/mod.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { toRelPath } from "../../lib/core/path.ts";
import { readObjects } from "../../lib/report/json.ts";
import { parse } from "../../lib/shell/parse/parser.ts";
import { unpackBlock } from "../../lib/sync/history/blocks.ts";
import { parseLockOwner } from "../../lib/sync/lock/owner.ts";
import { goneLine, itemLine, parseIndex, toRunName, type TrashItem } from "../../lib/sync/trash/index.ts";
import { sealedAddress, sealSession, unsealSession } from "../../lib/session/session_token.ts";
import type { FuzzTarget } from "./target.ts";
import { parseAddress } from "../../lib/core/address_parser.ts";

const isSyncError = (error: unknown) => error instanceof SyncError;
const key = new Uint8Array(32).fill(7);
const session = sealSession(
  {
    spec: {
      address: { scheme: "sftp", user: "u", host: "h", port: 22, path: "/p", pins: ["SHA256:x"] },
      options: { A: "b" },
    },
    fingerprint: "SHA256:y",
    secrets: new Map([["password", "secret"]]),
  },
  key,
  { now: 1_700_000_000_000, lifetime: 600_000 },
);
const when = 1_700_000_000_000;
const item: TrashItem = {
  ...{ id: "0123456789", pair: "p", side: "remote", path: toRelPath("a/b"), kind: "file", size: 3, modified: 5, when },
  ...{ why: "conflict", session: "sftp://u@h", root: "/r", host: "disk" },
  at: `/state/trash/p/${toRunName(when, "remote")}/a/b`,
};

/** What users type, and what files and pipes of this machine hold. */
export const localTargets: readonly FuzzTarget[] = [
  {
    name: "addresses",
    seeds: [
      ...[
        "sftp://u:p@h:22/a%20b",
        "s3://bucket/a/b",
        "ftp://u;fingerprint=x@[::1]:21/~/a",
        "file:///c:/x",
        "u@h:/path",
      ],
      ...["spaces://nyc3/space/a", "gs://b/x", "C:\\x", "davs://h/%zz"],
    ],
    tokens: ["://", "@", ":", "/", "..", "%2F", "%00", ";fingerprint=", "[", "]", "sftp", "s3", "#", "?"],
    run(bytes) {
      const text = new TextDecoder().decode(bytes);
      redactAddress(text);
      rejectLookalike(text, protocols);
      const { address } = parseAddress(text, protocols);
      const again = parseAddress(formatAddress(address), protocols).address;
      assert.deepEqual(again, address);
      return [address.scheme, isIP(address.host), address.port, address.path.length > 1];
    },
    expects: isSyncError,
  },
  {
    name: "sealed-sessions",
    seeds: [JSON.stringify(session)],
    tokens: ['"Seal":"', '"Secret":"', "null", "1e999", '"Pins":[', "__proto__", '"Version":1', "=="],
    run(bytes) {
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
      sealedAddress(value);
      const { spec: reach } = unsealSession(value, key, { now: 1_700_000_000_000 });
      // What opens is what was sealed: every readable field is authenticated.
      assert.deepEqual([reach.address.host, reach.address.pins], ["h", ["SHA256:y"]]);
      return reach;
    },
    expects: (error) => isSyncError(error) || error instanceof SyntaxError,
  },
  {
    name: "trash-index",
    seeds: [itemLine(item) + itemLine({ ...item, id: "abcdef0123", kind: "link" }) + goneLine("0123456789")],
    tokens: ["\n", '"path":"../x"', '"id":"', '"gone":"', '"at":"/etc/x"', '"size":-1', "null", "__proto__"],
    run(bytes) {
      const { items, refused } = parseIndex(new TextDecoder().decode(bytes), { home: "/state/trash", pair: item.pair });
      for (const { path, size, at, host } of items) {
        assert.equal(toRelPath(path), path);
        assert.ok(Number.isSafeInteger(size) && size >= 0);
        if (host === "disk") assert.ok(at.endsWith(`/${path}`) && !at.split("/").includes(".."), at);
      }
      return [items, refused];
    },
    expects: isSyncError,
  },
  {
    name: "history-blocks",
    seeds: [
      JSON.stringify({
        paths: ["a", "a/b"],
        kinds: "df",
        local: [0, 1, 2, 3],
        remote: [],
        rest: { 1: { target: "x" } },
      }),
    ],
    tokens: ['"paths":[', '"kinds":"', "null", "[[", "../", "__proto__", "1e999"],
    run: (bytes) => unpackBlock(new TextDecoder().decode(bytes)),
    // History treats whatever is thrown as "cannot be read".
    expects: (error) => error instanceof Error,
  },
  {
    name: "lock-owners",
    seeds: [JSON.stringify({ host: "h", boot: "b", pid: 5, start: 6, lease: 7 })],
    tokens: ["null", "{}", "[", '"pid":-1', "1e999"],
    run: (bytes) => parseLockOwner(new TextDecoder().decode(bytes)),
    expects: isSyncError,
  },
  {
    name: "command-lines",
    seeds: [
      "New-Session sftp://u@h | Sync-Path ./a /b -Mode Remote -Remove; $x = 'a''b'",
      '$r = @{a=1; b="x$y"}, (Get-Help) | Close-Session -A:$true # end',
    ],
    tokens: ["|", ";", "'", '"', "$", "@{", "(", ")", "`", "-", ",", "$(", "\n", "&&"],
    run: (bytes) => parse(new TextDecoder().decode(bytes)),
    expects: isSyncError,
  },
  {
    name: "json-lines",
    seeds: ['{"Type":"Session","a":[1,2]}\r\n{"b":null}\n', '\ufeff[{"a":1},{"b":2}]'],
    tokens: ["\n", "{", "}", "[", "]", "\ufeff", "null", '"'],
    async run(bytes) {
      const found: object[] = [];
      for await (const object of readObjects(new Blob([bytes]).stream())) found.push(object);
      return found;
    },
    expects: isSyncError,
  },
];
