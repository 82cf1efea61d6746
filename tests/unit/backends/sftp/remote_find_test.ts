import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { FindReader } from "../../../../lib/backends/sftp/remote_find.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";

const begin = "\0tandem begin\0";
const end = "\0tandem end\0";
const self = "d755 4096 1700000000.5 \0\0";

Deno.test("FindReader reads folders, files, links and what is neither, below the folder it was asked for", () => {
  const text = [
    "Welcome!\n",
    begin,
    self,
    "d750 4096 1700000001.9999999990 a\0\0",
    "f644 12 1700000002.0000000000 a/two  blanks\nand a break\0\0",
    "l777 3 1700000003.0 link\0../x\0",
    "p600 0 1700000004.0 pipe\0\0",
    end,
    "Bye!\n",
  ].join("");
  const found = read(text, "above");
  assert.deepEqual(found?.self, { kind: "dir", path: "above", modified: 1_700_000_000_000, mode: 0o755 });
  assert.deepEqual(found?.entries.map((entry) => `${entry.kind} ${entry.path}`), [
    "dir above/a",
    "opaque above/a/two  blanks\\u000aand a break",
    "link above/link",
    "opaque above/pipe",
  ]);
  assert.deepEqual(found?.entries[0], { kind: "dir", path: "above/a", modified: 1_700_000_001_000, mode: 0o750 });
});

Deno.test("FindReader names nothing below a folder whose name is refused", () => {
  const below = "f644 1 1.0 bad\ufffd/x\0\0d755 1 1.0 bad\ufffd/d\0\0f644 1 1.0 bad\ufffd/d/y\0\0f644 1 1.0 good\0\0";
  const found = read(`${begin}${self}d755 1 1.0 bad\ufffd\0\0${below}${end}`);
  assert.deepEqual(found?.entries.map(({ kind, path }) => `${kind} ${path}`), ["opaque bad\ufffd", "file good"]);
});

Deno.test("FindReader believes nothing of a server that names what lies outside, or in a folder that it did not list", () => {
  for (const path of ["../x", "a/../../x", "a/../b", "/etc/x", "a//x", "nowhere/x", "./x"]) {
    for (const type of ["f644 1 1.0", "d755 1 1.0", "l777 1 1.0"]) {
      const text = `${begin}${self}d755 1 1.0 a\0\0${type} ${path}\0t\0f644 1 1.0 a/x\0\0${end}`;
      assert.equal(read(text), undefined, path);
    }
  }
  // A file is no folder.
  assert.equal(read(`${begin}${self}f644 1 1.0 a\0\0f644 1 1.0 a/x\0\0${end}`), undefined);
});

Deno.test("FindReader reads the same however its text is cut", () => {
  const text = `noise${begin}${self}d755 1 1.0 a\0\0f644 5 2.0 a/é世\0\0l777 1 3.0 l\0t\0${end}`;
  const whole = read(text);
  assert.equal(whole?.entries.length, 3);
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const reader = new FindReader(root);
      let at = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), text.length]) {
        reader.push(text.slice(at, cut));
        at = cut;
      }
      assert.deepEqual(reader.end(), whole);
    }),
    { seed: 7 },
  );
});

Deno.test("FindReader gives nothing without the closing word, without the folder itself, or after words it cannot read", () => {
  const file = "f644 1 1.0 a\0\0";
  for (
    const text of [
      "",
      begin,
      `${begin}${self}${file}`,
      `${begin}${file}${end}`,
      `${self}${file}${end}`,
      `${begin}${self}f644 1 -1.0 a\0\0${end}`,
      `${begin}${self}f644 1 -0.5 a\0\0${end}`,
      `${begin}${self}f644 1 4294967296.0 a\0\0${end}`,
      `${begin}${self}f644 x 1.0 a\0\0${end}`,
      `${begin}${self}fxyz 1 1.0 a\0\0${end}`,
      `${begin}${self}nonsense\0\0${end}`,
    ]
  ) {
    assert.equal(read(text), undefined, JSON.stringify(text.slice(0, 80)));
  }
});

Deno.test("FindReader gives entries or nothing for any text at all", () => {
  const word = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("f644 1 1.0 a", "d755 1 1.0 d", "", "tandem begin", "tandem end"),
  );
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const found = read(`${begin}${self}${words.join("\0")}`);
      for (const { path, kind } of found?.entries ?? []) if (kind !== "opaque") assert.equal(toRelPath(path), path);
    }),
    { seed: 7 },
  );
});

function read(text: string, dir = "") {
  const reader = new FindReader(toRelPath(dir));
  reader.push(text);
  return reader.end();
}
