import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import {
  type DavResponse,
  DEFAULT_LIMITS,
  type MultistatusLimits,
  MultistatusParser,
} from "../../../../lib/backends/webdav/multistatus.ts";
import { runs } from "../../../support/runs.ts";

const APACHE = `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns1="urn:tandem:sync" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:" xmlns:g0="DAV:" xmlns:g1="urn:tandem:sync"><D:href>/d/</D:href>
<D:propstat><D:prop><g0:getcontentlength/><g1:edited/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>
<D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype>
<lp1:getlastmodified>Sun, 22 Nov 2026 07:44:15 GMT</lp1:getlastmodified></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response>
<D:response xmlns:lp1="DAV:"><D:href>/d/a&amp;b%20c</D:href>
<D:propstat><D:prop><lp1:resourcetype/><lp1:getcontentlength>5</lp1:getcontentlength>
<lp1:getlastmodified>Sun, 22 Nov 2026 07:44:15 GMT</lp1:getlastmodified><lp1:getetag>W/"5-66"</lp1:getetag>
<ns1:edited>1600000000123.5 5 1795333455000 "5-66"</ns1:edited></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response></D:multistatus>`;

function read(
  text: string | Uint8Array,
  options: { chunk?: number; bounds?: Partial<MultistatusLimits> } = {},
): DavResponse[] {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const reader = new MultistatusParser({ ...DEFAULT_LIMITS, ...options.bounds });
  const { chunk = bytes.length || 1 } = options;
  const found: DavResponse[] = [];
  for (let at = 0; at < bytes.length; at += chunk) found.push(...reader.push(bytes.subarray(at, at + chunk)));
  return [...found, ...reader.end()];
}

function multistatus(inner: string): string {
  return `<multistatus xmlns="DAV:">${inner}</multistatus>`;
}

Deno.test("Multistatus reads what Apache sends, a 404 propstat first", () => {
  const [folder, file] = read(APACHE);
  assert.deepEqual(folder, {
    href: "/d/",
    props: { known: true, isFolder: true, modified: "Sun, 22 Nov 2026 07:44:15 GMT" },
  });
  assert.deepEqual(file, {
    href: "/d/a&b%20c",
    props: {
      known: true,
      isFolder: false,
      length: "5",
      modified: "Sun, 22 Nov 2026 07:44:15 GMT",
      etag: 'W/"5-66"',
      edited: '1600000000123.5 5 1795333455000 "5-66"',
    },
  });
});

Deno.test("Multistatus gives the same however the bytes are cut", () => {
  const whole = read(APACHE);
  for (const chunk of [1, 2, 7, 64]) assert.deepEqual(read(APACHE, { chunk }), whole);
});

Deno.test("Multistatus tells the status of a whole response", () => {
  const [one] = read(multistatus("<response><href>/x</href><status>HTTP/1.1 403 Forbidden</status></response>"));
  assert.deepEqual(one, { href: "/x", status: 403, props: { known: false, isFolder: false } });
});

Deno.test("Multistatus takes no property of another namespace", () => {
  const prop = '<propstat><prop><getcontentlength xmlns="urn:x">9</getcontentlength></prop></propstat>';
  assert.equal(read(multistatus(`<response><href>/x</href>${prop}</response>`))[0]?.props.length, undefined);
});

for (
  const [what, text] of [
    ["a reply that ends before its end", APACHE.slice(0, -20)],
    [
      "a reply that ends between two responses",
      APACHE.slice(0, APACHE.indexOf('<D:response xmlns:lp1="DAV:"><D:href>/d/a')),
    ],
    ["no reply at all", ""],
    ["HTML", "<html><body>Login</body></html>"],
    ["a DOCTYPE", `<!DOCTYPE x [<!ENTITY a "b">]>${multistatus("")}`],
    ["an entity of its own", multistatus("<response><href>/&a;</href></response>")],
    ["a response without a name", multistatus("<response></response>")],
    ["something behind its end", `${multistatus("")}<x/>`],
  ] as const
) {
  Deno.test(`Multistatus refuses ${what}`, () => assert.throws(() => read(text), RangeError));
}

for (
  const [what, text, bounds] of [
    ["bytes", APACHE, { bytes: 500 }],
    ["depth", multistatus("<a>".repeat(50) + "</a>".repeat(50)), {}],
    ["responses", multistatus("<response><href>/x</href></response>".repeat(11)), { responses: 10 }],
    ["text", multistatus(`<response><href>/${"x".repeat(70_000)}</href></response>`), {}],
    ["text that means nothing", multistatus(`<x>${"y".repeat(70_000)}</x>`), {}],
    ["an attribute", multistatus(`<x a="${"y".repeat(70_000)}"/>`), {}],
    ["attributes", multistatus(`<x ${Array.from({ length: 9000 }, (_, i) => `a${i}="1"`).join(" ")}/>`), {}],
    ["names", multistatus(`<${"y".repeat(70_000)}/>`), {}],
    ["comments", multistatus(`<!--${"y".repeat(70_000)}-->`), {}],
    ["instructions", multistatus(`<?x ${"y".repeat(70_000)}?>`), {}],
    ["bytes, the usual ones", multistatus("<x/>".repeat(17 << 20)), {}],
  ] as const
) {
  Deno.test(`Multistatus is bounded in ${what}`, () => {
    assert.throws(() => read(text, { bounds }), RangeError);
  });
}

Deno.test("Multistatus names the parameter that allows a longer listing", () => {
  assert.throws(() => read(APACHE, { bounds: { bytes: 500 } }), /-MaxFolderListing/);
});

Deno.test("Multistatus reads many tags, texts and comments that are short", () => {
  const entry = `<!-- ${"c".repeat(500)} --><response a="${"b".repeat(500)}"><href>/x</href></response>`;
  assert.equal(read(multistatus(entry.repeat(1000))).length, 1000);
});

Deno.test("Multistatus makes responses or a RangeError of any bytes", () => {
  const pieces = [
    "<multistatus xmlns='DAV:'>",
    "<response>",
    "<href>",
    "/a%2F",
    "</href>",
    "</response>",
    "&#0;",
    "]]>",
  ];
  const mixed = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 5 }))).map((parts) =>
    new TextEncoder().encode(parts.join(""))
  );
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mixed), fc.integer({ min: 1, max: 50 }), (bytes, chunk) => {
      try {
        read(bytes, { chunk });
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
    { numRuns: runs(500, 20_000) },
  );
});
