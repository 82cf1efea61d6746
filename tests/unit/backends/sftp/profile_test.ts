import assert from "node:assert/strict";
import { ServerProfile } from "../../../../lib/backends/sftp/profile.ts";
import { toRelPath } from "../../../../lib/core/path.ts";
import { tempTag } from "../../../../lib/core/temp_name.ts";

const tag = "00112233445566aa";

/** A memory that lasts for the test. */
function memory(facts: Map<string, string>) {
  return {
    get: (fact: string) => facts.get(fact),
    remember: (fact: string, value: string) => void facts.set(fact, value),
  };
}

Deno.test("ServerProfile demands one order after the other, and keeps it for later runs", () => {
  const facts = new Map<string, string>();
  const first = new ServerProfile({ serverMemory: memory(facts) });
  assert.equal(first.writeOrder, "any");
  assert.equal(first.demandOrder("any", false), true);
  assert.equal(first.demandOrder("any", false), true, "a file that was under way fails as well");
  assert.equal(first.writeOrder, "ascending");
  assert.equal(new ServerProfile({ serverMemory: memory(facts) }).writeOrder, "ascending");
  assert.equal(first.demandOrder("ascending", false), true);
  assert.equal(new ServerProfile({ serverMemory: memory(facts) }).writeOrder, "one by one");
});

Deno.test("ServerProfile whose strictest order does not help returns to any, and asks for none again", () => {
  const facts = new Map<string, string>();
  const profile = new ServerProfile({ serverMemory: memory(facts) });
  for (const order of ["any", "ascending"] as const) assert.equal(profile.demandOrder(order, false), true);
  assert.equal(profile.demandOrder("one by one", false), false);
  assert.equal(profile.writeOrder, "any");
  assert.equal(profile.demandOrder("any", false), false);
  assert.equal(new ServerProfile({ serverMemory: memory(facts) }).writeOrder, "any");
  assert.equal(profile.demandOrder("any", true), true, "the server says that order is the reason");
});

Deno.test("ServerProfile believes no order that its memory does not know", () => {
  const facts = new Map([["sftpWriteOrder", "backwards"], ["undottedTempNames", "maybe"]]);
  const profile = new ServerProfile({ serverMemory: memory(facts) });
  assert.equal(profile.writeOrder, "any");
  assert.equal(profile.tempName(toRelPath("d/a"), tag), `.a.tandem-${tag}`);
});

Deno.test("ServerProfile keeps for later runs that names must not begin with a dot", () => {
  const facts = new Map<string, string>();
  new ServerProfile({ serverMemory: memory(facts) }).refuseDots();
  const name = new ServerProfile({ serverMemory: memory(facts) }).tempName(toRelPath("d/a"), tag);
  assert.match(name, /^a\.tandem-/);
  assert.equal(tempTag(name), tag);
});

Deno.test("ServerProfile says each thing once", () => {
  const said: string[] = [];
  const profile = new ServerProfile({ warn: (message) => void said.push(message) });
  profile.hideLinks();
  profile.hideLinks();
  assert.equal(said.length, 1);
});
