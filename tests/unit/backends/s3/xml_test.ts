import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { childText, escapeXml, parseXml, type XmlElement } from "../../../../lib/backends/s3/xml.ts";

Deno.test("parseXml() reads elements, text, entities, CDATA and namespaces, and passes over the rest", () => {
  const root = parseXml(
    `\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<!-- a > b --><s3:List xmlns:s3="urn:x" a='1 > 0'>
      <Key>a&amp;b &lt;&gt;&quot;&apos;&#233;&#x1F600;</Key ><Key><![CDATA[<&>]]></Key><Empty/><Empty b="/"/></s3:List>`,
  );
  assert.equal(root.name, "List");
  assert.deepEqual(root.children.map(({ name, text }) => [name, text]), [
    ["Key", "a&b <>\"'é😀"],
    ["Key", "<&>"],
    ["Empty", ""],
    ["Empty", ""],
  ]);
  assert.equal(childText(root, "Key"), "a&b <>\"'é😀");
  assert.equal(childText(root, "Other"), undefined);
});

const refused: Readonly<Record<string, string>> = {
  "nothing": "",
  "text alone": "hello",
  "an element that is left open": "<a><b></b>",
  "an element that was never opened": "<a></a></b>",
  "an end without a name": "<a/></>",
  "elements that cross": "<a><b></a></b>",
  "two roots": "<a/><b/>",
  "text behind the root": "<a/>x",
  "a tag that does not end": "<a",
  "a value that does not end": '<a b="></a>',
  "a comment that does not end": "<a><!-- </a>",
  "CDATA that does not end": "<a><![CDATA[ </a>",
  "a tag without a name": "<a>< ></a>",
  "a DOCTYPE": '<!DOCTYPE a [<!ENTITY x "y">]><a/>',
  "an entity of its own": "<a>&x;</a>",
  "a bare ampersand": "<a>a & b</a>",
  "a name that every object has": "<a>&toString;</a>",
  "a character that there is not": "<a>&#x110000;</a>",
  "depth": "<a>".repeat(30) + "</a>".repeat(30),
  "a text of more than 64 KiB": `<a>${"x".repeat(80_000)}</a>`,
  "a tag of more than 64 KiB": `<a b="${"x".repeat(80_000)}"/>`,
  "an entity without an end": `<a>&${"x".repeat(80_000)}`,
  "elements without end": `<a>${"<b/>".repeat(200_001)}</a>`,
  "an entity that grows": `<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">]><a>${"&x;".repeat(1000)}</a>`,
};

for (const [name, xml] of Object.entries(refused)) {
  Deno.test(`parseXml() refuses ${name}`, () => {
    assert.throws(() => parseXml(xml), RangeError);
  });
}

/** The characters that XML 1.0 has no place for. */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g;

Deno.test("parseXml() reads a character that XML forbids as U+FFFD, written out or as a number", () => {
  for (const text of ["a\u0001b", "a&#1;b", "a&#x1;b", "a&#x0001F;b", "a&#31;b", "a\ufffeb"]) {
    assert.deepEqual(parseXml(`<Key>${text}</Key>`), { name: "Key", text: "a\ufffdb", children: [] }, text);
  }
  assert.equal(parseXml("<Key>a&#9;&#x0A;&#13;&#32;&#x7f;b</Key>").text, "a\t\n\r \x7fb");
});

Deno.test("parseXml() reads an answer that begins with blanks, as stores send them while they work", () => {
  assert.equal(parseXml(`  \n <?xml version="1.0"?>\n<Result/>`).name, "Result");
});

Deno.test("parseXml() gives back every tree that was written, and refuses what is cut off", () => {
  const grown = (depth: number): fc.Arbitrary<XmlElement> =>
    fc.record({
      name: fc.constantFrom("Key", "Contents", "ns-1.x_y", "é"),
      text: fc.string({ unit: "binary", maxLength: 12 }).map((text) => text.replace(FORBIDDEN, "")),
      children: depth === 0 ? fc.constant([]) : fc.array(grown(depth - 1), { maxLength: 3 }),
    }, { noNullPrototype: true });
  const written = ({ name, text, children }: XmlElement): string =>
    `<${name}>${escapeXml(text)}${children.map(written).join("")}</${name}>`;
  fc.assert(fc.property(grown(3), fc.nat(), (element, cut) => {
    const xml = written(element);
    assert.deepEqual(parseXml(xml), element);
    assert.throws(() => parseXml(xml.slice(0, cut % xml.length)), RangeError);
  }));
});
