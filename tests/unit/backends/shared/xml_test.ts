import assert from "node:assert/strict";
import { type XmlOptions, XmlParser } from "../../../../lib/backends/shared/xml.ts";

const OPTIONS = { depth: 3, text: 10_000, namespaces: true };

/** Feeds the pieces to a parser, and returns its events. */
function eventsOf(pieces: readonly string[], options: XmlOptions = OPTIONS): readonly string[] {
  const events: string[] = [];
  const parser = new XmlParser({
    onOpen: (name, namespace) => void events.push(`<${name} ${namespace}>`),
    onText: (text) => void events.push(text),
    onClose: () => void events.push("</>"),
  }, options);
  for (const piece of pieces) parser.write(piece);
  parser.end();
  return events;
}

Deno.test("XmlParser reports elements with their namespaces and their text, however the document is cut", () => {
  const xml = `<?xml version="1.0"?><d:a xmlns:d="urn:d"><!-- x --><b c=">">1 &lt; 2</b><![CDATA[<&>]]></d:a>`;
  const expected = ["<a urn:d>", "<b >", "1 < 2", "</>", "<&>", "</>"];
  assert.deepEqual(eventsOf([xml]), expected);
  assert.deepEqual(eventsOf([...xml]), expected);
});

Deno.test("XmlParser reports names without their prefixes where namespaces are not resolved", () => {
  const events = eventsOf([`<d:a xmlns:d="urn:d"><x:b/><c/></d:a>`], { ...OPTIONS, namespaces: false });
  assert.deepEqual(events, ["<a >", "<b >", "</>", "<c >", "</>", "</>"]);
});

const rejected: Readonly<Record<string, readonly [string, RegExp]>> = {
  "a prefix of no namespace": ["<x:a/>", /is broken/],
  "an element that is left open": ["<a><b></b>", /is broken/],
  "two roots": ["<a/><b/>", /is broken/],
  "nothing": ["", /is broken/],
  "a DOCTYPE": [`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`, /DOCTYPE/],
  "an entity of its own": ["<a>&x;</a>", /is broken/],
  "more depth than its limit": ["<a><a><a><a></a></a></a></a>", /deeper than 3 elements/],
  "a longer text than its limit": [`<a>${"x".repeat(20_000)}</a>`, /longer than 10000 characters/],
  "a longer attribute than its limit": [`<a b="${"x".repeat(20_000)}"/>`, /longer than 10000 characters/],
  "a longer comment than its limit": [`<a><!--${"x".repeat(20_000)}--></a>`, /longer than 10000 characters/],
};

for (const [name, [xml, message]] of Object.entries(rejected)) {
  Deno.test(`XmlParser refuses ${name}`, () => {
    assert.throws(() => eventsOf([xml]), (error) => error instanceof RangeError && message.test(error.message));
  });
}
