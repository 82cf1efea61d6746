import assert from "node:assert/strict";
import { parseObject, parsePage, toFileEntry } from "../../lib/backends/gcs/object.ts";
import { parseKey } from "../../lib/backends/gcs/keys.ts";
import { framingOf, parseHead } from "../../lib/http/message.ts";
import { detectProtocol, explainWrongProtocol } from "../../lib/net/peer_protocol.ts";
import { KeyParser } from "../../lib/backends/s3/keys.ts";
import { isWithinPrefix, toPage, toParts, toUploads } from "../../lib/backends/s3/codec.ts";
import { parseXml } from "../../lib/backends/s3/xml.ts";
import { chooseChallenge, parseChallenges, toAuthorizer } from "../../lib/backends/webdav/auth.ts";
import { toChild } from "../../lib/backends/webdav/entry.ts";
import { MultistatusParser } from "../../lib/backends/webdav/multistatus.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { root, toRelPath } from "../../lib/core/path.ts";
import type { Entry } from "../../lib/core/entry.ts";
import type { FuzzTarget } from "./target.ts";

const isRange = (error: unknown) => error instanceof RangeError || error instanceof SyncError;

/** Every entry but an opaque one has a path of good names. */
export function assertNamed(entries: readonly Entry[]): void {
  for (const entry of entries) {
    if (entry.kind !== "opaque") assert.equal(toRelPath(entry.path), entry.path);
    if (entry.kind === "file") assert.ok(entry.size >= 0 && Number.isFinite(entry.size), `size ${entry.size}`);
  }
}

const MULTISTATUS = `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:t="urn:tandem:sync"><D:response><D:href>/base/a%20b.txt</D:href><D:propstat><D:prop>
<D:resourcetype/><D:getcontentlength>12</D:getcontentlength><D:getlastmodified>Tue, 14 Nov 2023 22:13:20 GMT</D:getlastmodified>
<D:getetag>"abc-1"</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
<D:response><D:href>http://h/base/dir/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop>
<D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:x/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>
</D:propstat></D:response></D:multistatus>`;

const LISTING =
  `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Name>b</Name><Prefix>p/</Prefix><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>
<NextContinuationToken>t&amp;1</NextContinuationToken><Contents><Key>p/a%20b</Key><Size>12</Size><ETag>&quot;abc&quot;</ETag>
<LastModified>2023-11-14T22:13:20.000Z</LastModified></Contents><CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes>
<Upload><Key>p/a</Key><UploadId>u</UploadId><Initiator><ID>me</ID></Initiator><Initiated>2023-11-14T22:13:20.000Z</Initiated></Upload>
<Part><PartNumber>1</PartNumber><ETag>"e"</ETag><Size>5</Size></Part></ListBucketResult>`;

const PAGE = JSON.stringify({
  kind: "storage#objects",
  nextPageToken: "t",
  prefixes: ["p/d/"],
  items: [{
    ...{
      name: "p/a/b",
      size: "12",
      generation: "1700000000000000",
      metageneration: "1",
      md5Hash: "kAFQmDzST7DWlj99KOF/cg==",
    },
    ...{ crc32c: "Nks/tw==", metadata: { mtime: "2023-11-14T22:13:20.5Z", "goog-reserved-file-mtime": "1700000000" } },
  }],
});

/** What HTTP servers and stores send. */
export const httpTargets: readonly FuzzTarget[] = [
  {
    name: "multistatus",
    seeds: [MULTISTATUS],
    tokens: [
      "<D:response>",
      "</D:response>",
      "<D:href>",
      "&#x0;",
      "&amp;",
      "<!DOCTYPE x [",
      "<![CDATA[",
      "]]>",
      "<!--",
      "-->",
      "%2F",
      "../",
    ],
    run(bytes) {
      const parser = new MultistatusParser();
      const half = bytes.length >> 1;
      const responses = [...parser.push(bytes.slice(0, half)), ...parser.push(bytes.slice(half)), ...parser.end()];
      const entries = responses.map((response) => toChild(root, response, { host: "h", serverPath: ["base"] }));
      assertNamed(entries.filter((entry) => entry !== "self" && entry !== undefined));
      return entries;
    },
    expects: isRange,
  },
  {
    name: "s3-xml",
    seeds: [LISTING, "<Error><Code>SlowDown</Code><Message>x</Message></Error>"],
    tokens: [
      "<Contents>",
      "</Contents>",
      "<Key>",
      "&#x41;",
      "&amp;",
      "&",
      "<!DOCTYPE x [",
      "<![CDATA[",
      "]]>",
      "<!--",
      "%00",
      "//",
      "../",
    ],
    run(bytes) {
      const found = parseXml(new TextDecoder().decode(bytes));
      const page = toPage(found);
      const reader = new KeyParser("p/");
      if (!isWithinPrefix("p/", page)) return [toUploads(found, "p/a"), toParts(found)];
      const entries = page.objects.flatMap((object) => [...reader.parseObject(object)]);
      const folders = page.prefixes.flatMap((prefix) => [...reader.parsePrefix(prefix)]);
      assertNamed([...entries, ...folders]);
      return [entries, folders, page.next];
    },
    expects: isRange,
  },
  {
    name: "gcs-json",
    seeds: [PAGE, JSON.stringify(JSON.parse(PAGE).items[0])],
    tokens: ['"name":', '"size":"-1"', "null", "[[[[", '{"a":', "__proto__", "\\u0000", "1e999", "../", "//"],
    run(bytes) {
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (typeof value === "object" && value !== null && "name" in value) {
        const object = parseObject(value);
        const { dirs, entry } = parseKey(root, object.name, object);
        assertNamed(entry === undefined ? [] : [entry]);
        for (const dir of dirs) toRelPath(dir);
        return toFileEntry(root, object);
      }
      const page = parsePage(value);
      for (const object of page.items) {
        assertNamed([parseKey(root, object.name, object).entry ?? { kind: "dir", path: root }]);
      }
      return page;
    },
    expects: (error) => isRange(error) || error instanceof SyntaxError,
  },
  {
    name: "http-head",
    seeds: [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "a"\r\nTransfer-Encoding: chunked',
      "HTTP/1.0 304 x\r\nA: b\r\n c",
    ],
    tokens: ["\r\n", "Content-Length: ", "Transfer-Encoding: chunked", "HTTP/1.1 ", ": ", ", "],
    run(bytes) {
      const head = parseHead(new TextDecoder("latin1").decode(bytes));
      const framing = framingOf("GET", head);
      if (framing.by === "length") assert.ok(Number.isSafeInteger(framing.length) && framing.length >= 0);
      return framing;
    },
    expects: (error) => error instanceof Error && error.constructor === Error || isRange(error),
  },
  {
    name: "http-login",
    seeds: ['Digest realm="a", nonce="b", qop="auth", algorithm=SHA-256, Basic realm="x"', "Bearer, Negotiate abc=="],
    tokens: ["Digest ", 'nonce="', ",", "=", '\\"', "qop=auth-int", "algorithm=MD5-sess"],
    run(bytes) {
      const challenge = chooseChallenge(parseChallenges([new TextDecoder("latin1").decode(bytes)]), undefined);
      if (challenge === undefined) return undefined;
      const header = toAuthorizer(challenge, { user: "u", password: "p" }).header("GET", "/");
      assert.doesNotMatch(header, /[\r\n]/);
      return { [challenge.scheme]: header.slice(0, 6), [[...challenge.params.keys()].sort().join().slice(0, 20)]: 1 };
    },
    expects: isRange,
  },
  {
    name: "first-bytes",
    seeds: [
      "HTTP/1.1 400 Bad Request\r\n",
      "220 mail ESMTP\r\n",
      "welcome\r\nSSH-2.0-x\r\n",
      "\x15\x03\x01\0\x02\x02\x46",
    ],
    tokens: [
      "220-",
      "220 ",
      "421 ",
      "\r\n",
      "\n",
      "SSH-2.0-",
      "HTTP/1.1 ",
      "* OK",
      "+OK",
      "@RSYNCD:",
      "RFB 003",
      "SMTP",
    ],
    run(bytes) {
      const found = detectProtocol(bytes);
      const reasons = wanted.map((protocol) => explainWrongProtocol(bytes, protocol));
      assert.ok(found !== undefined || reasons.every((why) => why === undefined));
      return { [found ?? "none"]: reasons };
    },
    expects: isRange,
  },
];

const wanted = ["ssh", "ftp", "ftps", "http", "https"] as const;
