import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { chooseChallenge, parseChallenges, toAuthorizer } from "../../../../lib/backends/webdav/auth.ts";
import { runs } from "../../../support/runs.ts";

const credentials = { user: "Mufasa", password: "Circle of Life" };

function schemes(...headers: readonly string[]): string[] {
  return parseChallenges(headers).map(({ scheme }) => scheme);
}

Deno.test("parseChallenges() reads several challenges, in one header and in several", () => {
  const one =
    'Negotiate abc==, Basic realm="a, b=c", charset="UTF-8", Digest realm="r", nonce="n", qop="auth,auth-int"';
  assert.deepEqual(schemes(one, "Bearer"), ["negotiate", "basic", "digest", "bearer"]);
  const [, basic, digest] = parseChallenges([one]);
  assert.deepEqual([...basic?.params ?? []], [["realm", "a, b=c"], ["charset", "UTF-8"]]);
  assert.equal(digest?.params.get("qop"), "auth,auth-int");
});

Deno.test("parseChallenges() reads quoted pairs and lets no later parameter overrule an earlier one", () => {
  const [digest] = parseChallenges(['Digest realm="a\\"b", nonce=abc, nonce="other"']);
  assert.deepEqual([...digest?.params ?? []], [["realm", 'a"b'], ["nonce", "abc"]]);
});

Deno.test("parseChallenges() ends on any text", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      chooseChallenge(parseChallenges([text, `Digest ${text}`]), undefined);
    }),
    { numRuns: runs(500, 20_000) },
  );
});

for (
  const [headers, wanted, best] of [
    [["Basic realm=x", 'Digest realm=x, nonce=n, qop="auth"'], undefined, "digest md5"],
    [
      ["Digest realm=x, nonce=n, algorithm=MD5", "Digest realm=x, nonce=n, algorithm=SHA-256"],
      undefined,
      "digest sha-256",
    ],
    [["Bearer", "Basic realm=x"], undefined, "basic md5"],
    [["Basic realm=x", "Bearer"], "Bearer", "bearer md5"],
    [["Digest realm=x, nonce=n, algorithm=SHA-512-256", "Basic realm=x"], undefined, "basic md5"],
    [['Digest realm=x, nonce=n, qop="auth-int"'], undefined, undefined],
    [["Basic realm=x"], "Digest", undefined],
    [["Negotiate"], undefined, undefined],
  ] as const
) {
  Deno.test(`chooseChallenge() of ${headers.join(" | ")} with ${wanted ?? "no wish"} is ${best ?? "none"}`, () => {
    const found = chooseChallenge(parseChallenges(headers), wanted);
    const shown = found && `${found.scheme} ${(found.params.get("algorithm") ?? "MD5").toLowerCase()}`;
    assert.equal(shown, best);
  });
}

Deno.test("toAuthorizer() answers Basic in UTF-8", () => {
  const [challenge] = parseChallenges(["Basic realm=x"]);
  assert.ok(challenge);
  const header = toAuthorizer(challenge, { user: "dav", password: "p:\u00f6" }).header("GET", "/");
  assert.equal(header, "Basic ZGF2OnA6w7Y=");
});

Deno.test("toAuthorizer() answers RFC 2069's Digest without qop as computed by hand", () => {
  const [challenge] = parseChallenges([
    'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="x"',
  ]);
  assert.ok(challenge);
  const header = toAuthorizer(challenge, { user: "Mufasa", password: "CircleOfLife" }).header("GET", "/dir/index.html");
  assert.match(header, /response="1949323746fe6a43ef61f9606e7febea"/);
  assert.match(header, /opaque="x"/);
});

Deno.test("toAuthorizer() counts its answers and never uses a client nonce twice", () => {
  const [challenge] = parseChallenges(['Digest realm=r, nonce=n, qop="auth", algorithm=SHA-256']);
  assert.ok(challenge);
  const authorizer = toAuthorizer(challenge, credentials);
  const [one, two] = [authorizer.header("GET", "/"), authorizer.header("GET", "/")];
  assert.match(one, /nc=00000001/);
  assert.match(two, /nc=00000002/);
  assert.match(one, /algorithm=SHA-256/);
  assert.match(one, /response="[0-9a-f]{64}"/);
  assert.notEqual(/cnonce="(.*?)"/.exec(one)?.[1], /cnonce="(.*?)"/.exec(two)?.[1]);
});

Deno.test("toAuthorizer() takes neither name nor password from the server", () => {
  const [challenge] = parseChallenges(['Digest realm=r, nonce=n, username="other", password="known"']);
  assert.ok(challenge);
  assert.match(toAuthorizer(challenge, credentials).header("GET", "/"), /username="Mufasa"/);
});
