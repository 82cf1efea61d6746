import assert from "node:assert/strict";
import { findProxy } from "../../../lib/net/proxy.ts";
import type { ProxyDestination } from "../../../lib/net/proxy_types.ts";
import { SyncError } from "../../../lib/core/errors.ts";

/** Returns "label source" of the proxy for a destination, "" for none. */
async function chosen(
  env: Readonly<Record<string, string>>,
  { protocol = "https", host = "files.example.com", port = 443, option }: Partial<ProxyDestination> & {
    readonly option?: string;
  } = {},
): Promise<string> {
  const proxy = await findProxy({
    options: option === undefined ? {} : { Proxy: option },
    env: (name) => env[name],
    secret: () => Promise.resolve(undefined),
    hideSecret: () => {},
  }, { protocol, host, port });
  return proxy === undefined ? "" : `${proxy.label} ${proxy.source}`;
}

const all = {
  https_proxy: "http://a:1",
  HTTPS_PROXY: "http://b:2",
  http_proxy: "http://c:3",
  HTTP_PROXY: "http://d:4",
  all_proxy: "socks5h://e:5",
  ALL_PROXY: "socks5h://f:6",
};

for (
  const [what, leftOut, protocol, wanted] of [
    ["https: in lower case first", [], "https", "http://a:1 https_proxy"],
    ["https: in capitals", ["https_proxy"], "https", "http://b:2 HTTPS_PROXY"],
    ["https: by that for all", ["https_proxy", "HTTPS_PROXY"], "https", "socks5h://e:5 all_proxy"],
    ["http: in lower case first", [], "http", "http://c:3 http_proxy"],
    ["http: in capitals", ["http_proxy"], "http", "http://d:4 HTTP_PROXY"],
    ["SFTP and FTP by that for all alone", [], "tcp", "socks5h://e:5 all_proxy"],
    ["SFTP and FTP by that for all in capitals", ["all_proxy"], "tcp", "socks5h://f:6 ALL_PROXY"],
    ["SFTP and FTP by none of HTTP", ["all_proxy", "ALL_PROXY"], "tcp", ""],
  ] as const
) {
  Deno.test(`the environment names a proxy for ${what}`, async () => {
    const env = Object.fromEntries(Object.entries(all).filter(([name]) => !leftOut.some((one) => one === name)));
    assert.equal(await chosen(env, { protocol }), wanted);
  });
}

Deno.test("in a program that a web server runs HTTP_PROXY is a header of the request, and does not count", async () => {
  const env = { REQUEST_METHOD: "GET", HTTP_PROXY: "http://evil:1" };
  assert.equal(await chosen(env, { protocol: "http" }), "");
  assert.equal(await chosen({ ...env, http_proxy: "http://c:3" }, { protocol: "http" }), "http://c:3 http_proxy");
});

Deno.test("-Proxy comes before the environment, for every host; none is none", async () => {
  const env = { ...all, NO_PROXY: "*" };
  assert.equal(await chosen(env, { option: "socks5://p:9" }), "socks5://p:9 -Proxy");
  assert.equal(await chosen(env, { option: "socks5://p:9", host: "127.0.0.1" }), "socks5://p:9 -Proxy");
  assert.equal(await chosen(all, { option: "none" }), "");
});

Deno.test("this machine is reached without the proxy of the environment", async () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.8.8", "::1"]) {
    assert.equal(await chosen(all, { host }), "", host);
  }
});

for (
  const [list, host, isExempt] of [
    ["*", "files.example.com", true],
    ["example.com", "files.example.com", true],
    [".example.com", "files.example.com", true],
    ["*.example.com", "files.example.com", true],
    [" other.test, EXAMPLE.com.", "files.Example.COM", true],
    ["other.test example.com", "files.example.com.", true],
    ["files.example.com", "files.example.com", true],
    ["les.example.com", "files.example.com", false],
    ["example.com.evil.test", "example.com", false],
    ["com.", "files.example.com", true],
    [".", "files.example.com", false],
    [",", "files.example.com", false],
    ["example.com:443", "files.example.com", true],
    ["example.com:8443", "files.example.com", false],
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7:443", "192.0.2.7", true],
    ["192.0.2.7:80", "192.0.2.7", false],
    ["192.0.2.0/24", "192.0.2.7", true],
    ["192.0.2.0/29", "192.0.2.9", false],
    ["192.0.2.0/33", "192.0.2.7", false],
    ["2.7", "192.0.2.7", false],
    ["2001:db8::/32", "2001:db8::7", true],
    ["2001:db8::/32", "192.0.2.7", false],
    ["2001:db8:0::7", "2001:db8::7", true],
    ["[2001:db8::7]:443", "2001:db8::7", true],
    ["[2001:db8::7]:80", "2001:db8::7", false],
    ["fe80::/10", "fe80::1%eth0", true],
  ] as const
) {
  Deno.test(`NO_PROXY "${list}" ${isExempt ? "names" : "does not name"} ${host}`, async () => {
    for (const name of ["NO_PROXY", "no_proxy"]) {
      assert.equal(await chosen({ ...all, [name]: list }, { host }), isExempt ? "" : "http://a:1 https_proxy");
    }
  });
}

for (
  const [text, label] of [
    ["proxy:3128", "http://proxy:3128"],
    ["http://proxy", "http://proxy:80"],
    ["HTTPS://proxy/", "https://proxy:443"],
    ["socks://localhost:1080/", "socks5h://localhost:1080"],
    ["http://me:p%40ss@[::1]:3128", "http://[::1]:3128"],
    ["http://me:p@ss:w/rd@proxy:1", "http://proxy:1"],
  ] as const
) {
  Deno.test(`"${text}" is the proxy ${label}`, async () => {
    assert.equal(await chosen({ ALL_PROXY: text }), `${label} ALL_PROXY`);
  });
}

for (
  const text of ["ftp://proxy:1", "socks4://proxy:1", "http://", "http://proxy:0", "http://proxy:70000", "http://a b:1"]
) {
  Deno.test(`"${text}" is no proxy: the variable is named, and what it may hold`, async () => {
    const error = await chosen({ ALL_PROXY: text.replace("//", "//me:s3cret@") }).catch((error) => error);
    assert.ok(error instanceof SyncError && error.kind === "badInput", String(error));
    assert.match(error.message, /^ALL_PROXY ".*" cannot be used: .*; write http:\/\/host:port, .* or -Proxy none\.$/);
    assert.doesNotMatch(error.message, /s3cret/);
  });
}
