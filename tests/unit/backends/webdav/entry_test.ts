import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { formatEditTime, parseChecksums, toChild, toEntry } from "../../../../lib/backends/webdav/entry.ts";
import { encodePath, locateHref } from "../../../../lib/backends/webdav/href.ts";
import type { DavProps } from "../../../../lib/backends/webdav/multistatus.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { runs } from "../../../support/runs.ts";

const base = { host: "web1", serverPath: ["dav", "a b"] };
const dir = toRelPath("d");
const props: DavProps = {
  known: true,
  isFolder: false,
  length: "5",
  modified: "Sun, 22 Nov 2026 07:44:15 GMT",
  etag: '"5-66"',
};
const listed = Date.parse("2026-11-22T07:44:15Z");

function child(href: string) {
  return toChild(dir, { href, props }, base);
}

for (
  const [href, path] of [
    ["/dav/a%20b/f", "d/f"],
    ["/dav/a b/f", "d/f"],
    ["http://web1/dav/a%20b/f", "d/f"],
    ["https://WEB1:8443/dav/a%20b/f/", "d/f"],
    ["/dav/a%20b/%c3%A9", "d/\u00e9"],
    ["/dav/a%20b/a?b#c", "d/a?b#c"],
    ["/dav/a%20b/100%25", "d/100%"],
    ["/dav/a%20b/%2541", "d/%41"],
  ] as const
) {
  Deno.test(`toChild() reads ${href}`, () => {
    const found = child(href);
    assert.ok(typeof found === "object");
    assert.deepEqual([found.kind, found.path], ["file", path]);
  });
}

Deno.test("toChild() takes the path alone of an href of another host, and reports the host", () => {
  const others: string[] = [];
  const noting = { ...base, onOtherHost: (host: string) => void others.push(host) };
  const at = (href: string) => toChild(dir, { href, props }, noting);
  const found = at("http://user@WEB2:81/dav/a%20b/f");
  assert.ok(typeof found === "object" && found.path === "d/f");
  assert.equal(at("https://[::1]:8443/dav/a%20b/"), "self");
  assert.equal(at("http://web2/dav/"), undefined);
  assert.equal(at("http://web1:8080/dav/a%20b/"), "self");
  assert.deepEqual(others, ["WEB2", "::1"]);
});

for (const href of ["/dav/a%20b/", "/dav/a%20b", "http://web1/dav/a%20b/"]) {
  Deno.test(`toChild() knows the folder itself in ${href}`, () => assert.equal(child(href), "self"));
}

for (
  const href of [
    "/",
    "/dav/",
    "/dav/other/f",
    "/dav/a%20b/deep/er",
    "http://web2/dav/f",
    "http://user@web2/dav/other/f",
    "http://web2/dav/a%20b/deep/er",
    "http://web2",
    "//web2/f",
    "//web2/dav/a%20b/f",
    "/dav%2Fa%20b/f",
    "",
  ]
) {
  Deno.test(`toChild() takes nothing of ${href || "an empty href"}`, () => {
    const found = child(href);
    assert.ok(found === undefined || (typeof found === "object" && found.kind === "opaque"), JSON.stringify(found));
  });
}

for (
  const href of [
    "/dav/a%20b/x%2Fy",
    "/dav/a%20b/..",
    "/dav/a%20b/%2e%2e",
    "/dav/a%20b/%00",
    "/dav/a%20b/%ff",
    "../../x",
    "f",
  ]
) {
  Deno.test(`toChild() refuses the name in ${href} and says so`, () => {
    const found = child(href);
    assert.ok(typeof found === "object" && found.kind === "opaque" && found.cause === "name");
  });
}

Deno.test("locateHref() finds every name again that encodePath() wrote", () => {
  const name = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) =>
    text.isWellFormed() && !text.includes("/")
  );
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
      const parents = { host: "h", serverPath: names.slice(0, -1) };
      assert.deepEqual(locateHref(encodePath(names), parents), { is: "child", name: names.at(-1) });
    }),
    { numRuns: runs(300, 10_000) },
  );
});

Deno.test("toChild() never leaves its folder, whatever the href", () => {
  const part = fc.constantFrom("/", "..", "%2e", "%2F", "\\", "dav", "a%20b", "http://web1", "%00", "x", "%", "C:");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }).map((parts) => parts.join("")), (href) => {
      const found = child(href);
      if (typeof found === "object") assert.match(found.path, /^d\/[^/]+$/);
    }),
    { numRuns: runs(500, 20_000) },
  );
});

Deno.test("toEntry() shows the server's time with its step of a second", () => {
  assert.deepEqual(toEntry(dir, { href: "", props }), {
    kind: "file",
    path: "d",
    size: 5,
    modified: listed,
    timeStep: 1000,
    revision: '"5-66"',
  });
});

Deno.test("toEntry() takes the server's time for that of an arrival where times of edits lie in our own property", () => {
  const timeOf = (edited?: string) => {
    const found = toEntry(dir, { href: "", props: { ...props, ...(edited === undefined ? {} : { edited }) } }, {
      hasEditTimes: true,
    });
    return found.kind === "file" ? [found.modified, found.isUploadTime] : [];
  };
  assert.deepEqual(timeOf(), [Date.parse(props.modified ?? ""), true]);
  assert.deepEqual(timeOf(formatEditTime(1234, props)), [1234, undefined]);
});

Deno.test("toEntry() takes no weak ETag for a revision", () => {
  const found = toEntry(dir, { href: "", props: { ...props, etag: 'W/"5-66"' } });
  assert.ok(found.kind === "file" && found.revision === undefined);
});

Deno.test("toEntry() shows our own time, also once a weak ETag has become strong", () => {
  const edited = formatEditTime(1600000000123.5, { ...props, etag: 'W/"5-66"' });
  const found = toEntry(dir, { href: "", props: { ...props, edited } });
  assert.ok(found.kind === "file");
  assert.deepEqual([found.modified, found.timeStep], [1600000000123.5, undefined]);
});

for (
  const [what, change] of [
    ["another size", { length: "6" }],
    ["another time", { modified: "Sun, 22 Nov 2026 07:44:16 GMT" }],
    ["another ETag", { etag: '"5-67"' }],
  ] as const
) {
  Deno.test(`toEntry() forgets our own time where the file has ${what} since`, () => {
    const edited = formatEditTime(1600000000000, props);
    const found = toEntry(dir, { href: "", props: { ...props, ...change, edited } });
    assert.ok(found.kind === "file" && found.modified !== 1600000000000 && found.timeStep === 1000);
  });
}

Deno.test("toEntry() makes no file of what has no possible size", () => {
  for (const length of ["", "-1", "1e3", "0x10", "99999999999999999", " 5"]) {
    assert.equal(toEntry(dir, { href: "", props: { ...props, length } }).kind, "opaque", length);
  }
});

Deno.test("toEntry() shows what the server refuses as unreadable", () => {
  const found = toEntry(dir, { href: "", status: 403, props: { known: false, isFolder: false } });
  assert.ok(found.kind === "opaque" && found.cause === "unreadable");
});

Deno.test("parseChecksums() reads ownCloud's form", () => {
  const sha1 = "A9993E364706816ABA3E25717850C26C9CD0D89D";
  assert.deepEqual(parseChecksums(`SHA1:${sha1} ADLER32:024d0127 MD5:xyz`), [`sha1:${sha1.toLowerCase()}`]);
});
