import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { SyncError } from "../../../lib/core/errors.ts";
import { formatRequest, framingOf, keepsAlive, type ParsedHead, parseHead } from "../../../lib/http/message.ts";
import { runs } from "../../support/runs.ts";

function head(lines: readonly string[], status = 200): ParsedHead {
  return parseHead([`HTTP/1.1 ${status} Fine`, ...lines].join("\r\n"));
}

Deno.test("formatRequest() writes one line a header, with an empty one behind them", () => {
  const bytes = formatRequest({ method: "GET", uri: "/a%20b?x=1", headers: { host: "h:1", depth: "0" } });
  assert.equal(new TextDecoder().decode(bytes), "GET /a%20b?x=1 HTTP/1.1\r\nhost: h:1\r\ndepth: 0\r\n\r\n");
});

Deno.test("formatRequest() sends characters of 8 bits as one byte each", () => {
  const bytes = formatRequest({ method: "GET", uri: "/", headers: { a: "\u00e9" } });
  assert.ok(bytes.includes(0xe9));
});

Deno.test("formatRequest() throws badInput for what would be another line or another word", () => {
  const bad = [
    { method: "GET\r\nX", uri: "/", headers: {} },
    { method: "GET", uri: "/a b", headers: {} },
    { method: "GET", uri: "/a\r\nHost: evil", headers: {} },
    { method: "GET", uri: "/", headers: { a: "x\r\nb: y" } },
    { method: "GET", uri: "/", headers: { a: "x\n" } },
    { method: "GET", uri: "/", headers: { "a: b": "x" } },
    { method: "GET", uri: "/", headers: { a: "\u4e16" } },
    { method: "GET", uri: "/", headers: { a: "\u0000" } },
  ];
  for (const one of bad) {
    assert.throws(
      () => formatRequest(one),
      (error) => error instanceof SyncError && error.kind === "badInput",
      JSON.stringify(one),
    );
  }
});

Deno.test("parseHead() reads status and headers, whatever their case, and joins what stands twice", () => {
  const { status, headers } = head(['ETag: "a"', "www-authenticate: Basic", "WWW-Authenticate:Digest  "], 401);
  assert.equal(status, 401);
  assert.equal(headers.etag, '"a"');
  assert.equal(headers["www-authenticate"], "Basic, Digest");
  assert.equal(head(["__proto__: x"]).headers["__proto__"], "x");
});

Deno.test("parseHead() takes blanks and tabs off a value, and no byte of another script", () => {
  assert.equal(head(["a: \t voil\u00c3\u00a0 \t"]).headers["a"], "voil\u00c3\u00a0");
});

Deno.test("parseHead() throws for what is no HTTP/1, a folded line or a name that is none", () => {
  const bad = [
    "",
    "SSH-2.0-OpenSSH",
    "HTTP/2 200",
    "HTTP/1.1 20",
    "HTTP/1.1 200 Fine\r\n folded",
    "HTTP/1.1 200\r\nab",
  ];
  for (const text of [...bad, "HTTP/1.1 200\r\na b: c", "HTTP/1.1 200\r\n: c"]) {
    assert.throws(() => parseHead(text), Error, text);
  }
});

Deno.test("parseHead() and framingOf() give an answer or throw an Error, for any text", () => {
  const piece = fc.constantFrom(
    "HTTP/1.1 200",
    "\r\n",
    "content-length:",
    "transfer-encoding: chunked",
    " ",
    "7",
    ",",
    "é",
  );
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.array(piece, { maxLength: 12 }).map((all) => all.join("")));
  fc.assert(
    fc.property(text, (one) => {
      try {
        const framing = framingOf("GET", parseHead(one));
        if (framing.by === "length") assert.ok(Number.isSafeInteger(framing.length) && framing.length >= 0);
      } catch (error) {
        assert.equal(Object.getPrototypeOf(error), Error.prototype);
      }
    }),
    { numRuns: runs(5_000, 500_000) },
  );
});

Deno.test("framingOf() tells where the content ends, as RFC 9112 section 6.3 has it", () => {
  const rows: readonly (readonly [string, number, readonly string[], unknown])[] = [
    ["GET", 200, ["content-length: 7"], { by: "length", length: 7 }],
    ["GET", 200, ["content-length: 7", "content-length: 7"], { by: "length", length: 7 }],
    ["HEAD", 200, ["content-length: 7"], { by: "none" }],
    ["GET", 204, [], { by: "none" }],
    ["GET", 304, ["content-length: 7"], { by: "none" }],
    ["GET", 200, ["transfer-encoding: Chunked"], { by: "chunks" }],
    ["GET", 200, [], { by: "close" }],
  ];
  for (const [method, status, lines, wanted] of rows) {
    assert.deepEqual(framingOf(method, head(lines, status)), wanted, `${method} ${status} ${lines}`);
  }
});

Deno.test("framingOf() throws where two ends are told, or none that is clear", () => {
  const bad = [
    ["content-length: 7", "content-length: 8"],
    ["content-length: -1"],
    ["content-length: 7x"],
    ["content-length: 0x10"],
    ["content-length: 7", "transfer-encoding: chunked"],
    ["transfer-encoding: gzip, chunked"],
    ["transfer-encoding: identity"],
  ];
  for (const lines of bad) assert.throws(() => framingOf("GET", head(lines)), Error, String(lines));
});

Deno.test("staysOpen() believes the version and the server's word", () => {
  const length = { by: "length", length: 1 } as const;
  const old = (lines: string) => parseHead(`HTTP/1.0 200 Fine\r\n${lines}`);
  assert.ok(keepsAlive(head([]), length));
  assert.ok(!keepsAlive(head(["connection: Close"]), length));
  assert.ok(!keepsAlive(head(["connection: foo, close"]), length));
  assert.ok(!keepsAlive(head([]), { by: "close" }));
  assert.ok(!keepsAlive(old("a: b"), length));
  assert.ok(keepsAlive(old("connection: keep-alive"), length));
});
