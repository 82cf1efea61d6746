import assert from "node:assert/strict";
import { SyncError } from "../../../lib/core/errors.ts";
import type { PortableSession } from "../../../lib/session/session.ts";
import { sealedAddress, sealSession, unsealSession } from "../../../lib/session/session_token.ts";
import type { SealedSession } from "../../../lib/core/session_record.ts";

const key = new Uint8Array(32).fill(7);
const otherKey = new Uint8Array(32).fill(8);
const made = Date.UTC(2026, 10, 21, 12, 0, 0);
const minutes = 60_000;
const password = "p\u00e4ss word/+=?&\u4e16";

const passport: PortableSession = {
  spec: {
    address: { scheme: "sftp", user: "deploy", host: "web1", port: 2222, path: "/var/www", pins: [] },
    options: { SshPrivateKeyPath: "/home/me/.ssh/id", ReconnectTime: "120000" },
  },
  fingerprint: "SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
  secrets: new Map([["password", password], ["SshPrivateKeyPassphrase", "geheim"]]),
};

const seal = (given = passport, lifetime = 10 * minutes) => sealSession(given, key, { now: made, lifetime });
const sent = (ticket: SealedSession): Record<string, unknown> => JSON.parse(JSON.stringify(ticket));
const open = (ticket: unknown, now = made + minutes) => unsealSession(ticket, key, { now });

function kindOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof SyncError) return error.kind;
    throw error;
  }
  return "none";
}

Deno.test("openTicket() gives back how to reach the server, and its secrets", async () => {
  const opened = open(sent(seal()));
  assert.deepEqual(opened.spec.options, passport.spec.options);
  assert.deepEqual(opened.spec.address, { ...passport.spec.address, pins: [passport.fingerprint] });
  assert.equal(await opened.secret("password"), password);
  assert.equal(await opened.secret("SshPrivateKeyPassphrase"), "geheim");
  assert.equal(await opened.secret("other"), undefined);
});

Deno.test("openTicket() keeps what an address lacks lacking", () => {
  const address = { scheme: "file", host: "", path: "/mnt/backup", pins: ["SHA256:mine"] };
  const opened = open(sent(seal({ spec: { address, options: {} }, fingerprint: undefined, secrets: new Map() })));
  assert.deepEqual(opened.spec, { address, options: {} });
  assert.equal(opened.fingerprint, undefined);
});

Deno.test("openTicket() pins the verified host key, and the wish to accept any key ends there", () => {
  const options = {
    SshHostKeyPolicy: "GiveUpSecurityAndAcceptAny",
    GiveUpSecurityAndAcceptAnySshHostKey: "true",
    A: "b",
  };
  const opened = open(sent(seal({ ...passport, spec: { ...passport.spec, options } })));
  assert.deepEqual(opened.spec.options, { A: "b" });
  assert.deepEqual(opened.spec.address.pins, [passport.fingerprint]);
});

Deno.test("sealTicket() writes no secret in any spelling", () => {
  const line = JSON.stringify(seal());
  const bytes = new TextEncoder().encode(password);
  const spellings = [
    password,
    JSON.stringify(password).slice(1, -1),
    encodeURIComponent(password),
    bytes.toBase64(),
    bytes.toBase64({ alphabet: "base64url", omitPadding: true }),
    bytes.toHex(),
    "geheim",
    btoa("geheim"),
    "SshPrivateKeyPassphrase",
  ];
  assert.deepEqual(spellings.filter((spelling) => line.toLowerCase().includes(spelling.toLowerCase())), []);
});

Deno.test("sealTicket() carries no Secret when the login took none, and is sealed all the same", () => {
  const ticket = seal({ ...passport, secrets: new Map() });
  assert.equal("Secret" in ticket, false);
  assert.equal(kindOf(() => open({ ...sent(ticket), HostKey: "SHA256:other" })), "auth");
  assert.deepEqual(open(sent(ticket)).spec.options, passport.spec.options);
});

Deno.test("sealTicket() does not tell how long a password is", () => {
  const lengthOf = (secret: string) => seal({ ...passport, secrets: new Map([["password", secret]]) }).Secret?.length;
  assert.equal(lengthOf("a"), lengthOf("a".repeat(200)));
});

Deno.test("sealTicket() never seals twice alike", () => {
  assert.notEqual(seal().Seal, seal().Seal);
  assert.notEqual(seal().Secret, seal().Secret);
});

const flipped = (text: unknown) => {
  const all = String(text);
  return (all.startsWith("A") ? "B" : "A") + all.slice(1);
};
const tampered: Record<string, (ticket: Record<string, unknown>) => Record<string, unknown>> = {
  Scheme: (t) => ({ ...t, Address: { ...t["Address"] as object, Scheme: "ftp" } }),
  UserName: (t) => ({ ...t, Address: { ...t["Address"] as object, UserName: "root" } }),
  "UserName, absent": (t) => ({ ...t, Address: { ...t["Address"] as object, UserName: null } }),
  HostName: (t) => ({ ...t, Address: { ...t["Address"] as object, HostName: "evil" } }),
  PortNumber: (t) => ({ ...t, Address: { ...t["Address"] as object, PortNumber: 22 } }),
  Path: (t) => ({ ...t, Address: { ...t["Address"] as object, Path: "/" } }),
  Pins: (t) => ({ ...t, Address: { ...t["Address"] as object, Pins: ["SHA256:evil"] } }),
  "Options, one changed": (t) => ({ ...t, Options: { ...t["Options"] as object, ReconnectTime: "1" } }),
  "Options, one more": (t) => ({ ...t, Options: { ...t["Options"] as object, Timeout: "1" } }),
  "Options, one less": (t) => ({ ...t, Options: { ReconnectTime: "120000" } }),
  HostKey: (t) => ({ ...t, HostKey: "SHA256:evil" }),
  "HostKey, absent": (t) => ({ ...t, HostKey: null }),
  Created: (t) => ({ ...t, Created: "2026-11-21T12:00:01.000Z" }),
  Expires: (t) => ({ ...t, Expires: "2027-11-21T12:00:00.000Z" }),
  Secret: (t) => ({ ...t, Secret: flipped(t["Secret"]) }),
  "Secret, absent": ({ Secret: _secret, ...t }) => t,
  Seal: (t) => ({ ...t, Seal: flipped(t["Seal"]) }),
};
for (const [field, tamper] of Object.entries(tampered)) {
  Deno.test(`openTicket() refuses a changed ${field}`, () => {
    assert.equal(kindOf(() => open(tamper(sent(seal())))), "auth");
  });
}

Deno.test("openTicket() reads the fields in any order", () => {
  const ticket = sent(seal());
  const turned = Object.fromEntries(Object.entries(ticket).reverse());
  const options = Object.fromEntries(Object.entries(ticket["Options"] as object).reverse());
  assert.equal(kindOf(() => open({ ...turned, Options: options })), "none");
});

Deno.test("openTicket() refuses a session of another user or machine", () => {
  assert.throws(
    () => unsealSession(sent(seal()), otherKey, { now: made }),
    (error: SyncError) =>
      error.kind === "auth" && error.facts.id === "SessionNotSealedHere" && /New-Session/.test(error.message),
  );
});

Deno.test("openTicket() opens until the lifetime ends, and then says how old the session is and what to do", () => {
  const ticket = sent(seal());
  assert.equal(kindOf(() => open(ticket, made + 10 * minutes - 1)), "none");
  assert.throws(
    () => open(ticket, made + 12 * minutes),
    (error: SyncError) =>
      error.kind === "auth" && error.facts.id === "SessionExpired" &&
      /12 minutes ago/.test(error.message) && /-SessionLifetime/.test(error.message),
  );
  assert.equal(kindOf(() => open(ticket, made + 10 * minutes)), "auth");
});

const malformed: Record<string, unknown> = {
  "a number": 5,
  null: null,
  "a list": [],
  "another type": { ...seal(), Type: "SyncResult" },
  "another version": { ...seal(), Version: 2 },
  "no address": { ...seal(), Address: undefined },
  "a port that is text": { ...seal(), Address: { ...seal().Address, PortNumber: "22" } },
  "pins that are no list": { ...seal(), Address: { ...seal().Address, Pins: "x" } },
  "a pin that is no text": { ...seal(), Address: { ...seal().Address, Pins: [1] } },
  "an option that is no text": { ...seal(), Options: { A: 1 } },
  "a short seal": { ...seal(), Seal: "AAAA" },
  "a seal that is no text": { ...seal(), Seal: 1 },
};
for (const [what, value] of Object.entries(malformed)) {
  Deno.test(`openTicket() takes no ticket that is or has ${what}`, () => {
    assert.equal(kindOf(() => open(value)), "badInput");
  });
}

const damages: Readonly<Record<string, (ticket: Record<string, unknown>) => void>> = {
  "no port of a server": ({ Address }) => Object.assign(Object(Address), { PortNumber: 70_000 }),
  "a host with a way in it": ({ Address }) => Object.assign(Object(Address), { HostName: "../web1" }),
  "a host with a control character": ({ Address }) => Object.assign(Object(Address), { HostName: "web1\n" }),
  "a scheme that is none": ({ Address }) => Object.assign(Object(Address), { Scheme: "../sftp" }),
  "a time that is none": (ticket) => Object.assign(ticket, { Expires: "soon" }),
  "a pin that is no text": ({ Address }) => Object.assign(Object(Address), { Pins: [1] }),
  "a folder with a control character": ({ Address }) => Object.assign(Object(Address), { Path: "/a\u0000" }),
};
for (const [what, damage] of Object.entries(damages)) {
  Deno.test(`ticketAddress() and openTicket() take no session with ${what}`, () => {
    const ticket = sent(seal());
    damage(ticket);
    assert.equal(kindOf(() => sealedAddress(ticket)), "badInput");
    assert.equal(kindOf(() => open(ticket)), "badInput");
  });
}
