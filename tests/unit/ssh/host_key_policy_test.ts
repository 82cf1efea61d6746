import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { SyncError } from "../../../lib/core/errors.ts";
import { createVerifier, type TrustRule } from "../../../lib/ssh/host_key_policy.ts";
import { fingerprint } from "../../../lib/ssh/known_hosts.ts";

const key = (fill: number) =>
  new Uint8Array(
    Buffer.concat([Buffer.from("\0\0\0\x0bssh-ed25519\0\0\0\x20", "latin1"), Buffer.alloc(32, fill)]),
  );
const line = (fill: number) => `ssh-ed25519 ${Buffer.from(key(fill)).toString("base64")}`;
const kindOf = (error: unknown) => error instanceof SyncError ? error.kind : error;

/** The verdict on a key of this list of revoked keys: undefined for trust, otherwise the error. */
async function verdict(revoked: string | undefined, trustRule: TrustRule): Promise<SyncError | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "tandem-revoked-" });
  try {
    if (revoked !== undefined) await Deno.writeTextFile(`${dir}/revoked`, revoked);
    await Deno.writeTextFile(`${dir}/known_hosts`, `web1 ${line(1)}\n`);
    const verifier = await createVerifier({
      trustRule,
      displayHost: "web1",
      name: { host: "web1", port: 22 },
      files: { user: [`${dir}/known_hosts`], system: [], hash: false, revoked: `${dir}/revoked` },
      context: { prompt: () => Promise.resolve(undefined), warn: () => {}, readOnly: true },
    });
    await verifier.verify(key(1));
    return undefined;
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const check: TrustRule = { pins: [], policy: "Check" };
const pinned: TrustRule = {
  pins: [{ type: undefined, algorithm: "SHA256", value: fingerprint(key(1)) }],
  policy: "Check",
};

for (
  const [name, rule] of [
    ["known", check],
    ["pinned", pinned],
    ["accepted under every policy", { pins: [], policy: "GiveUpSecurityAndAcceptAny" }],
  ] as const
) {
  Deno.test(`a host key that RevokedHostKeys lists is refused, though it is ${name}`, async () => {
    const error = await verdict(`# revoked\n\n${line(2)} other\n${line(1)} this one\n`, rule);
    assert.equal(error?.kind, "hostKey");
    assert.match(error?.message ?? "", /is revoked in ".*revoked".*do not log in/);
    assert.equal(await verdict(`${line(2)}\n`, rule), undefined);
  });
}

Deno.test("no host key is trusted where RevokedHostKeys cannot be read: absent, binary, or with a line that is no key", async () => {
  for (const text of [undefined, "SSHKRL\n\0\0", `${line(2)}\nssh-ed25519 AAAA\n`]) {
    const error = await verdict(text, check);
    assert.equal(kindOf(error), "badInput", String(text));
  }
});
