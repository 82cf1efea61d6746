import assert from "node:assert/strict";
import { formatHostPort, isLoopback, labelOf, withoutZone } from "../../../lib/net/host.ts";

Deno.test("formatHostPort() leaves the default port out and brackets an IPv6 address", () => {
  assert.equal(formatHostPort({ host: "web1" }), "web1");
  assert.equal(formatHostPort({ host: "web1", port: 22 }, 22), "web1");
  assert.equal(formatHostPort({ host: "web1", port: 22 }), "web1:22");
  assert.equal(formatHostPort({ host: "::1", port: 8443 }, 443), "[::1]:8443");
});

Deno.test("labelOf() names scheme, user, host and port", () => {
  assert.equal(labelOf({ scheme: "sftp", user: "deploy", host: "web1", port: 2222 }, 22), "sftp://deploy@web1:2222");
  assert.equal(labelOf({ scheme: "ftp", host: "web1", port: 21 }, 21), "ftp://web1");
});

Deno.test("isLoopback() is true for this machine's own addresses only", () => {
  for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"]) assert.ok(isLoopback(host), host);
  for (const host of ["localhost.test", "128.0.0.1", "127.0.0.1.test", "web1"]) assert.ok(!isLoopback(host), host);
});

Deno.test("a zone is left out where another machine reads the address: it means nothing there", () => {
  assert.equal(withoutZone("fe80::1%eth0"), "fe80::1");
  assert.equal(withoutZone("web%1"), "web%1");
});
