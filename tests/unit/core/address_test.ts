import assert from "node:assert/strict";
import { formatAddress, isAddress, redactAddress, rejectLookalike } from "../../../lib/core/address.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import type { Address } from "../../../lib/core/protocol.ts";
import { parseAddress, type SchemeRow } from "../../../lib/core/address_parser.ts";

const rows: readonly SchemeRow[] = [
  { schemes: ["file"], local: true },
  { schemes: ["sftp", "scp"] },
  { schemes: ["ftp", "ftps"] },
  { schemes: ["webdav", "davs"] },
  { schemes: ["s3"], buckets: true },
  { schemes: ["gs"], buckets: true },
];

const read = (text: string) => parseAddress(text, rows);

/** The message of the badInput that `run` throws. */
function complaint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof SyncError, String(error));
    assert.equal(error.kind, "badInput");
    assert.ok(error.message.split("\n").length <= 3 && new TextEncoder().encode(error.message).length <= 600);
    return error.message;
  }
  assert.fail("nothing was thrown");
}

const good: readonly (readonly [string, Partial<Address>])[] = [
  ["sftp://web1", { scheme: "sftp", host: "web1", path: "" }],
  ["sftp://web1/", { host: "web1", path: "/" }],
  ["SFTP://web1/", { scheme: "sftp" }],
  ["sftp://deploy@web1:2222/var/www", { user: "deploy", host: "web1", port: 2222, path: "/var/www" }],
  ["sftp://[::1]:22/p", { host: "::1", port: 22, path: "/p" }],
  ["sftp://[fe80::1%25eth0]/p", { host: "fe80::1%eth0" }],
  ["sftp://u@[2001:db8::1]/p", { user: "u", host: "2001:db8::1" }],
  ["sftp://nas/volume1/#recycle", { path: "/volume1/#recycle" }],
  ["sftp://nas/what?/a=b&c", { path: "/what?/a=b&c" }],
  ["sftp://nas/with blank/é", { path: "/with blank/é" }],
  ["sftp://nas/50%25/%41", { path: "/50%/A" }],
  ["sftp://nas/%2541", { path: "/%41" }],
  ["sftp://nas/a:b;c", { path: "/a:b;c" }],
  ["sftp://u@nas/me@home", { user: "u", path: "/me@home" }],
  ["sftp://u@nas:22/me@home", { user: "u", port: 22, path: "/me@home" }],
  ["sftp://[::1]/me@home", { host: "::1", path: "/me@home" }],
  ["sftp://nas/me@home", { host: "nas", path: "/me@home" }],
  ["sftp://nas//srv", { path: "/srv" }],
  ["sftp://nas/~/sub", { path: "/~/sub" }],
  ["sftp://nas/back\\slash", { path: "/back\\slash" }],
  ["sftp://first.last%40corp@host/", { user: "first.last@corp" }],
  ["sftp://DOM%5Cuser@host/", { user: "DOM\\user" }],
  ["sftp://u;fingerprint=SHA256%3Aab%2Fc@h/", { user: "u", pins: ["SHA256:ab/c"] }],
  ["sftp://u;fingerprint=a;fingerprint=b@h/", { pins: ["a", "b"] }],
  ["sftp://;fingerprint=a@h/", { host: "h", pins: ["a"] }],
  ["sftp://my_host/", { host: "my_host" }],
  ["sftp://h:65535/", { port: 65535 }],
  ["sftp://10.0.0.255/", { host: "10.0.0.255" }],
  ["s3://bucket/site", { scheme: "s3", host: "bucket", path: "/site" }],
  ["s3://bucket//site", { path: "//site" }],
  ["s3://MinIO.local:9000/bucket", { host: "MinIO.local", port: 9000 }],
  ["file:///mnt/backup", { scheme: "file", host: "", path: "/mnt/backup" }],
  ["file:/mnt/backup", { host: "", path: "/mnt/backup" }],
  ["file://localhost/mnt", { host: "", path: "/mnt" }],
  ["file:C:/x", { host: "", path: "C:/x" }],
  ["file:///C:/x", { host: "", path: "C:/x" }],
  ["file:C:\\x", { path: "C:\\x" }],
  ["file://server/share/a b", { host: "server", path: "/share/a b" }],
  ["file:///mnt/a%20b/#1", { path: "/mnt/a b/#1" }],
];

for (const [text, wanted] of good) {
  Deno.test(`parseAddress() reads ${text}`, () => {
    const { address } = read(text);
    for (const [name, value] of Object.entries(wanted)) {
      assert.deepEqual(address[name as keyof Address], value, name);
    }
  });
}

const bad: readonly (readonly [string, RegExp])[] = [
  ["//", /no scheme/],
  ["web1", /no scheme/],
  ["", /no scheme/],
  ["ftp://", /host is missing/],
  ["sftp:///path", /host is missing/],
  ["s3://", /bucket is missing/],
  ["s3:///k", /bucket is missing/],
  ["gs://UPPER", /bucket "UPPER" contains a capital/],
  ["sftp:web1/x", /two slashes are missing.*sftp:\/\/host\/path/],
  ["sftp://u@h:99999/", /port "99999" is not a number from 1 to 65535/],
  ["sftp://u@h:abc/", /port "abc" is not a number/],
  ["sftp://h:abc", /port after ":" is not a number/],
  ["sftp://h:0/", /port/],
  ["sftp://h:-1/", /port/],
  ["sftp://u@h:65536/", /port "65536"/],
  ["sftp://h:/p", /port after ":" is missing/],
  ["sftp://h:22:33/", /more than one ":"/],
  ["sftp://2001:db8::1/", /write \[2001:db8::1\]/],
  ["sftp://[::1/", /"\]" is missing/],
  ["sftp://[::1]x/", /only ":port" may follow/],
  ["sftp://[web1]/", /not an IPv6 address/],
  ["sftp://[::1%eth0]/", /%25/],
  ["webdav://h/%ZZ", /the path contains a % that does not begin a %XX.*%25/],
  ["sftp://h/100%", /the path contains a % that does not begin a %XX/],
  ["sftp://h/a%2Fb", /%2F/],
  ["sftp://h/a%2fb", /%2F/],
  ["sftp://h/a%00b", /the path contains a control character/],
  ["sftp://h/a%0Ab", /control character/],
  ["sftp://h/a\nb", /control character/],
  ["sftp://h/%FF", /not UTF-8/],
  ["sftp://h/a/../b", /"\." or "\.\."/],
  ["sftp://h/./b", /"\." or "\.\."/],
  ["sftp://h/..", /"\." or "\.\."/],
  ["sftp://h/%2e%2e/b", /"\." or "\.\."/],
  ["sftp://@h/", /user name before @ is empty/],
  ["sftp://:pw@h/", /user name before @ is empty/],
  ["sftp://u@v@h/", /more than one @.*%40/],
  ["sftp://u:p@h/a@b", /write %40.*-PasswordFile/],
  ["sftp://u:p/w@h/x", /write %40.*-PasswordFile/],
  ["sftp://u:12/w@h/x", /write %40.*-PasswordFile/],
  ["sftp://u:123456/a/w@h.org/x", /write %40.*-PasswordFile/],
  ["sftp://u;fingerprint=ab/c@h/", /%2F/],
  ["sftp://u;x-name=a@h/", /";x-name=".*parameter.*-Name/],
  ["sftp://u;fingerprint=@h/", /fingerprint is empty/],
  ["sftp://u;pin@h/", /%3B/],
  ["sftp://-oProxyCommand/", /begins with "-"/],
  ["sftp://h/\ufffd", /not valid Unicode/],
  ["sftp://host name/", /contains " "/],
  ["sftp://ho%2Fst/", /contains "\/"/],
  ["sftp://host?x=1", /contains "\?"/],
  ["sftp://.host/", /empty label/],
  ["sftp://a..b/", /empty label/],
  ["sftp://300.1.1.1/", /not an IPv4 address/],
  ["sftp://h\u0000/", /control character/],
  ["htp://h/", /scheme "htp" is not known: did you mean ftp\? Known: file, sftp/],
  ["sftpp://h/", /did you mean sftp\?/],
  ["gopher://h/", /scheme "gopher" is not known/],
  ["file:", /path is missing/],
  ["file://", /path is missing/],
  ["file:relative", /not absolute.*file:\/\/\/folder/],
  ["file://server", /path is missing/],
  ["file://C:/x", /drive.*file:\/\/\/C:\//],
  ["file://u@server/x", /not a host name/],
  ["file:///a/../b", /"\." or "\.\."/],
];

for (const [text, wanted] of bad) {
  Deno.test(`parseAddress() refuses ${JSON.stringify(text)}`, () => {
    assert.match(complaint(() => read(text)), wanted);
  });
}

for (
  const [text, host, port, path] of [
    ["webdav://web1.example/files/me@web2.org/", "web1.example", undefined, "/files/me@web2.org/"],
    ["webdav://web1.example:8443/me@web2.org", "web1.example", 8443, "/me@web2.org"],
    ["webdav://nas:8080/remote.php/dav/files/me@web2.org/a", "nas", 8080, "/remote.php/dav/files/me@web2.org/a"],
    ["webdav://127.0.0.1:8080/a @-'[x]", "127.0.0.1", 8080, "/a @-'[x]"],
    ["webdav://[::1]:8080/me@web2.org", "::1", 8080, "/me@web2.org"],
    ["webdav://localhost:8080/me@web2.org", "localhost", 8080, "/me@web2.org"],
    ["webdav://u@web1:8080/me@web2.org", "web1", 8080, "/me@web2.org"],
  ] as const
) {
  Deno.test(`parseAddress() reads the @ in the path of ${text}`, () => {
    const { address } = read(text);
    assert.deepEqual([address.host, address.port, address.path], [host, port, path]);
  });
}

Deno.test("parseAddress() gives the password beside the address, decoded", () => {
  const { address, password } = read("sftp://u:%70w%2F%23%25%40%3A@h/x");
  assert.equal(password?.(), "pw/#%@:");
  assert.ok(!JSON.stringify(address).includes("pw"));
});

Deno.test("parseAddress() takes further colons into the password", () => {
  assert.equal(read("ftp://u:a:b@h/").password?.(), "a:b");
});

Deno.test("parseAddress() gives no password where none stands", () => {
  assert.equal(read("sftp://u@h/").password, undefined);
});

const secrets = [
  "sftp://u:hunter2@h:99999/",
  "sftp://u:hunter2@h@i/",
  "sftp://u:x@hunter2@h/",
  "sftp://u:hunter2@h/a@b",
  "sftp://u:hun/hunter2@h/x",
  "sftp://u:hunter2/x@h/",
  "sftp://u:hunter2",
  "sftp://u:hunter2/path",
  "sftp://u:hunter2%ZZ@h/",
  "sftp://u:hunter2%FF@h/",
  "sftp://u:a;hunter2=1@h/",
  "sftp://u:a;hunter2@h/",
  "sftp://u:hunter2@/p",
  "sftp://u:hunter2@h/..",
  "sftpx://u:hunter2@h/",
  "u:hunter2@h",
  "sftp:u:hunter2@h",
  "sftp://u:a:hunter2/",
];

for (const text of secrets) {
  Deno.test(`parseAddress() never shows the password of ${text}`, () => {
    assert.ok(!complaint(() => read(text)).includes("hunter2"));
  });
}

Deno.test("rejectLookalike() never shows a password", () => {
  assert.ok(!complaint(() => rejectLookalike("u:hunter2@h:/path", rows)).includes("hunter2"));
  assert.ok(!complaint(() => rejectLookalike("sftp:u:hunter2@h/path", rows)).includes("hunter2"));
});

Deno.test("isAddress() takes schemes and file:, and no disk path", () => {
  for (const word of ["sftp://h", "s3://b/p", "FILE:///x", "file:C:/x", "unknown://x"]) {
    assert.ok(isAddress(word), word);
  }
  for (const word of ["C:\\x", "C:/x", "c://x", "\\\\server\\share", "//", "/var", "name:path", "user@host:/p", ""]) {
    assert.ok(!isAddress(word), word);
  }
});

Deno.test("rejectLookalike() says what scp's forms are called here", () => {
  assert.match(
    complaint(() => rejectLookalike("deploy@web1:/var/www", rows)),
    /did you mean sftp:\/\/deploy@web1\/var\/www\?/,
  );
  assert.match(complaint(() => rejectLookalike("web1:site", rows)), /did you mean sftp:\/\/web1\/site\?/);
  assert.match(complaint(() => rejectLookalike("[::1]:site", rows)), /did you mean sftp:\/\/\[::1\]\/site\?/);
  assert.match(complaint(() => rejectLookalike("sftp:web1/x", rows)), /did you mean sftp:\/\/web1\/x\?/);
  assert.match(complaint(() => rejectLookalike("sftp:/web1/x", rows)), /did you mean sftp:\/\/web1\/x\?/);
});

Deno.test("rejectLookalike() knows the schemes of the protocol table, and no other", () => {
  const table: readonly SchemeRow[] = [...rows, { schemes: ["example"] }];
  assert.match(complaint(() => rejectLookalike("Example:box/x", table)), /did you mean example:\/\/box\/x\?/);
  assert.match(complaint(() => rejectLookalike("example:box/x", rows)), /did you mean sftp:\/\/example\/box\/x\?/);
});

Deno.test("rejectLookalike() leaves paths and addresses alone", () => {
  const paths = [
    "C:\\x",
    "C:/x",
    "C:",
    "\\\\server\\share",
    "./a:b",
    "/a:b",
    "a/b:c",
    "at 12:30",
    "sftp://h/x",
    "file:x",
    "plain",
    "",
  ];
  for (const path of paths) rejectLookalike(path, rows);
});

Deno.test("formatAddress() writes the full form without secrets", () => {
  const { address } = read("sftp://a%40b:pw;fingerprint=SHA256%3Ax@[::1]:22/50%25/x");
  assert.equal(formatAddress(address), "sftp://a%40b;fingerprint=SHA256%3Ax@[::1]:22/50%25/x");
  assert.equal(formatAddress(read("file:C:/x").address), "file:///C:/x");
  assert.equal(formatAddress(read("file://server/share").address), "file://server/share");
});

Deno.test("redactAddress() hides what stands before the last @", () => {
  assert.equal(redactAddress("sftp://u:pw@h/x"), "sftp://…@h/x");
  assert.equal(redactAddress("sftp://h:22/x"), "sftp://h:22/x");
  assert.equal(redactAddress("sftp://h:secret"), "sftp://h:…");
  assert.equal(redactAddress("/plain/path"), "/plain/path");
});
