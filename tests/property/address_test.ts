import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { formatAddress, isAddress, rejectLookalike } from "../../lib/core/address.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { runs } from "../support/runs.ts";
import type { Address } from "../../lib/core/protocol.ts";
import { parseAddress, type SchemeRow } from "../../lib/core/address_parser.ts";

const rows: readonly SchemeRow[] = [
  { schemes: ["file"], local: true },
  { schemes: ["sftp"] },
  { schemes: ["s3"], buckets: true },
];
const numRuns = runs(2_000, 100_000);

// deno-lint-ignore no-control-regex
const isNameable = (text: string) => !/[\u0000-\u001f\u007f-\u009f\ufffd]/.test(text) && text.isWellFormed();
const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter(isNameable);
const segment = fc.oneof(
  word,
  fc.constantFrom("50%", "a@b", "a:b", "#recycle", "what?", "a b", "%41", "~", "[x]", "a;b"),
)
  .filter((name) => !name.includes("/") && name !== "." && name !== "..");
const path = fc.array(segment, { maxLength: 4 }).map((names) => names.length === 0 ? "" : `/${names.join("/")}`);
const host = fc.constantFrom("web1", "nas.local", "my_host", "10.0.0.1", "::1", "fe80::1%eth0", "bücher.example");

const address: fc.Arbitrary<Address> = fc.record(
  {
    scheme: fc.constantFrom("sftp", "s3"),
    user: word,
    host,
    port: fc.integer({ min: 1, max: 65_535 }),
    path,
    pins: fc.array(word, { maxLength: 2 }),
  },
  { requiredKeys: ["scheme", "host", "path", "pins"], noNullPrototype: true },
);

Deno.test("formatAddress() writes what parseAddress() reads back", () => {
  fc.assert(
    fc.property(address, (given) => {
      const { address, password } = parseAddress(formatAddress(given), rows);
      assert.deepEqual(address, given);
      assert.equal(password, undefined);
    }),
    { numRuns },
  );
});

Deno.test("parseAddress() reads an encoded password back, and formatAddress() drops it", () => {
  fc.assert(
    fc.property(word, word, (user, secret) => {
      const encode = (text: string) => encodeURIComponent(text);
      const { address, password } = parseAddress(`sftp://${encode(user)}:${encode(secret)}@h/p`, rows);
      assert.equal(address.user, user);
      assert.equal(password?.(), secret);
      assert.equal(formatAddress(address), formatAddress({ scheme: "sftp", user, host: "h", path: "/p", pins: [] }));
    }),
    { numRuns },
  );
});

const noise = fc.array(
  fc.constantFrom(
    ..."/:@;%[]?#.~x1 \\",
    "%40",
    "%2F",
    "%00",
    "..",
    "//",
    "é",
    "\n",
    "sftp://",
    "file:",
    "fingerprint=",
    ":22",
  ),
  { maxLength: 10 },
).map((parts) => parts.join(""));

Deno.test("parseAddress() and rejectLookalike() throw nothing but badInput, in three lines and 600 bytes at most", () => {
  fc.assert(
    fc.property(
      fc.oneof(noise, fc.string({ unit: "binary", maxLength: 900 }), noise.map((text) => `sftp://${text}`)),
      (text) => {
        for (const run of [() => parseAddress(text, rows), () => rejectLookalike(text, rows), () => isAddress(text)]) {
          try {
            run();
          } catch (error) {
            assert.ok(error instanceof SyncError && error.kind === "badInput", String(error));
            assert.ok(!error.message.includes("\n") && new TextEncoder().encode(error.message).length <= 600);
          }
        }
      },
    ),
    { numRuns },
  );
});

Deno.test("parseAddress() shows no password that stands where one belongs, whatever is wrong around it", () => {
  fc.assert(
    fc.property(noise, noise, noise, noise, (user, before, after, rest) => {
      const text = `sftp://u${user.replace(/[/:@;]/g, "")}:${before}hunter2${after}@h${rest}`;
      try {
        parseAddress(text, rows);
      } catch (error) {
        assert.ok(error instanceof SyncError);
        assert.ok(!error.message.includes("hunter2"), error.message);
      }
    }),
    { numRuns },
  );
});
