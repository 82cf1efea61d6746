import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { findEncoding } from "../../../lib/net/text_encoding.ts";

/** Texts with their bytes in hex, by tables published elsewhere. */
const texts = [
  ["utf8", "é", "c3a9"],
  ["UTF-8", "я", "d18f"],
  ["latin1", "éÿ", "e9ff"],
  ["ISO-8859-1", "é", "e9"],
  ["cp1252", "€é", "80e9"],
  ["cp1251", "Привет", "cff0e8e2e5f2"],
  ["koi8-r", "Привет", "f0d2c9d7c5d4"],
  ["cp866", "Привет", "8fe0a8a2a5e2"],
  ["gbk", "中文", "d6d0cec4"],
  ["cp936", "中", "d6d0"],
  ["big5", "中文", "a4a4a4e5"],
  ["shift_jis", "表ソ", "955c835c"],
  ["cp932", "ｱ", "b1"],
  ["euc-kr", "한글", "c7d1b1db"],
  ["iso-8859-2", "ł", "b3"],
] as const;

for (const [name, text, hex] of texts) {
  Deno.test(`"${text}" is ${hex} in ${name}, and back`, () => {
    const encoding = findEncoding(name);
    const bytes = Buffer.from(hex, "hex").toString("latin1");
    assert.equal(encoding?.encode(text), bytes);
    assert.equal(encoding?.decode(bytes), text);
    assert.equal(encoding?.decode("plain/a-b_c.txt"), "plain/a-b_c.txt");
  });
}

for (
  const [name, text] of [["latin1", "€"], ["cp1252", "я"], ["cp1251", "中"], ["gbk", "\u{1f600}"], [
    "big5",
    "\u{1f600}",
  ]] as const
) {
  Deno.test(`"${text}" has no bytes in ${name}`, () => assert.equal(findEncoding(name)?.encode(text), undefined));
}

for (const name of ["utf-16", "utf-16le", "iso-2022-jp", "replacement", "cp437", "nonsense", ""]) {
  Deno.test(`"${name}" is no encoding of names`, () => assert.equal(findEncoding(name), undefined));
}

Deno.test("bytes that are no text, or that another text would not give back, are never taken for a name", () => {
  for (const [name, hex] of [["gbk", "d6"], ["shift_jis", "81"], ["cp1252", ""], ["euc-kr", "c7"]] as const) {
    const bytes = Buffer.from(hex, "hex").toString("latin1");
    const text = findEncoding(name)?.decode(bytes) ?? "";
    assert.ok(hex === "" ? text === "" : text.includes("\ufffd"), name);
  }
  // Two sequences of Shift_JIS for one character: only the one that encode() writes is its name.
  const two = ["81ca", "eef9"].map((hex) =>
    findEncoding("shift_jis")?.decode(Buffer.from(hex, "hex").toString("latin1"))
  );
  assert.equal(two.filter((one) => one?.includes("\ufffd")).length, 1);
});
