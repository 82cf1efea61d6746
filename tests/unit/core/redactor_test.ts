import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "npm:fast-check@4.10.2";
import type { Plan } from "../../../lib/core/plan.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import { escapeForDisplay, toRelPath } from "../../../lib/core/path.ts";
import { Redactor } from "../../../lib/core/redactor.ts";
import { findSecret, secretCanary } from "../../support/secret_leaks.ts";
import { runs, seeded } from "../../support/runs.ts";

function redactorOf(...secrets: string[]): Redactor {
  const redactor = new Redactor();
  for (const secret of secrets) redactor.add(secret);
  return redactor;
}

function pairsOf(secret: string): readonly string[] {
  return Buffer.from(secret).toString("hex").match(/../g) ?? [];
}

function hexOf(byte: string): string {
  return byte.charCodeAt(0).toString(16).padStart(2, "0");
}

/** The ways in which servers and libraries repeat what they were sent. */
const disguises: Readonly<Record<string, (secret: string) => string>> = {
  clear: (secret) => secret,
  printable: (secret) => escapeForDisplay(secret),
  json: (secret) => JSON.stringify(secret),
  "json in json": (secret) => JSON.stringify(JSON.stringify(secret)),
  "json in ascii": (secret) =>
    JSON.stringify(secret).replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  percent: (secret) => encodeURIComponent(secret),
  "percent, lower case": (secret) => encodeURIComponent(secret).replace(/%../g, (hex) => hex.toLowerCase()),
  "percent, every byte": (secret) =>
    [...Buffer.from(secret)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  "percent twice": (secret) => encodeURIComponent(encodeURIComponent(secret)),
  form: (secret) => new URLSearchParams({ password: secret }).toString(),
  xml: (secret) => secret.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;"),
  base64: (secret) => Buffer.from(secret).toString("base64"),
  base64url: (secret) => Buffer.from(secret).toString("base64url"),
  "Basic login": (secret) => `Basic ${Buffer.from(`deploy:${secret}`).toString("base64")}`,
  "base64 among others": (secret) => Buffer.from(`ab${secret}yz`).toString("base64"),
  "base64 in a query": (secret) => encodeURIComponent(Buffer.from(`a${secret}`).toString("base64")),
  hex: (secret) => Buffer.from(secret).toString("hex"),
  "HEX": (secret) => Buffer.from(secret).toString("hex").toUpperCase(),
  "hex in pairs": (secret) => pairsOf(secret).join(":"),
  "hex dump": (secret) => pairsOf(secret).join(" "),
  "bytes as a list": (secret) => pairsOf(secret).map((pair) => `0x${pair}`).join(", "),
  "bytes with \\x": (secret) => pairsOf(secret).map((pair) => `\\x${pair}`).join(""),
  "bytes of Python": (secret) => Buffer.from(secret).toString("latin1").replace(/[^ -~]/g, (c) => `\\x${hexOf(c)}`),
  "bytes in octal": (secret) =>
    [...Buffer.from(secret)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join(""),
  "quoted-printable": (secret) =>
    Buffer.from(secret).toString("latin1").replace(/[^ -<>-~]/g, (c) => `=${hexOf(c).toUpperCase()}`),
  "unreadable characters": (secret) => secret.replace(/[^ -~]/g, "\ufffd"),
  "UTF-8 read as Latin-1": (secret) => Buffer.from(secret).toString("latin1"),
};

for (const [name, disguise] of Object.entries(disguises)) {
  Deno.test(`Redactor hides a secret in the form: ${name}`, () => {
    const text = `530 Login incorrect: ${disguise(secretCanary)} (try again)`;
    const clean = redactorOf(secretCanary).redact(text);
    assert.equal(findSecret(clean), undefined, clean);
    assert.match(clean, /^530 Login incorrect: .*\[hidden\].* \(try again\)$/);
  });
}

Deno.test("Redactor hides every secret of eight characters and more in every form, and nothing else", () => {
  const secrets = fc.string({
    unit: fc.constantFrom(..."abcXYZ019/+%@:?#'\"$`;|& é世\\<>=-_~!"),
    minLength: 8,
    maxLength: 24,
  });
  const property = fc.property(secrets, fc.constantFrom(...Object.values(disguises)), (secret, disguise) => {
    const clean = redactorOf(secret).redact(`before ${disguise(secret)} after`);
    assert.ok(clean.startsWith("before ") && clean.endsWith(" after"), clean);
    assert.ok(clean.includes("[hidden]"), clean);
    assert.ok(!clean.includes(secret), clean);
  });
  fc.assert(property, { numRuns: runs(2000, 100_000), ...seeded(31) });
});

Deno.test("Redactor hides the longest of two secrets that hold one another", () => {
  assert.equal(redactorOf("secret", "secret-and-more").redact("a secret-and-more b"), "a [hidden] b");
});

Deno.test("Redactor hides a short secret only as a word of its own", () => {
  const redactor = redactorOf("pass");
  assert.equal(redactor.redact('PASS "pass" is wrong for passwd'), 'PASS "[hidden]" is wrong for passwd');
  assert.equal(redactorOf("a", "").redact("a word"), "a word");
});

Deno.test("Redactor.error() redacts the message and then drops the cause, which holds the same words", () => {
  const redactor = redactorOf(secretCanary);
  const path = toRelPath("dir/a");
  const error = new SyncError("auth", `no: ${secretCanary}`, {
    operation: "open",
    path,
    cause: new Error(secretCanary),
  });
  const clean = redactor.redactError(error);
  assert.deepEqual([clean.kind, clean.message, clean.cause, clean.facts.path], [
    "auth",
    "no: [hidden]",
    undefined,
    path,
  ]);
  const harmless = new SyncError("auth", "no", { operation: "open" });
  assert.equal(redactor.redactError(harmless), harmless);
});

Deno.test("Redactor.event() redacts what an event tells, and keeps its paths", () => {
  const redactor = redactorOf("hunter22");
  const path = toRelPath("hunter22.txt");
  const action = { do: "makeDir", to: "local", path, why: "new" } as const;
  const error = new SyncError("denied", "550 hunter22", { operation: "read" });
  const failed = redactor.redactEvent({ type: "failed", action, error });
  assert.ok(failed.type === "failed" && failed.error.message === "550 [hidden]" && failed.action.path === path);
  const noted = redactor.redactEvent({ type: "noted", note: { code: "x", path, why: "says hunter22" } });
  assert.deepEqual(noted, { type: "noted", note: { code: "x", path, why: "says [hidden]" } });
  const held = redactor.redactEvent({ type: "held", action, why: "hunter22" });
  assert.deepEqual(held, { type: "held", action, why: "[hidden]" });
  const done = redactor.redactEvent({ type: "done", action, warnings: ["no time: hunter22"] });
  assert.deepEqual(done, { type: "done", action, warnings: ["no time: [hidden]"] });
  const failedNote = redactor.redactEvent({ type: "noted", note: { code: "x", why: "hunter22", error } });
  assert.ok(failedNote.type === "noted" && failedNote.note.error?.message === "550 [hidden]");
});

Deno.test("Redactor.redactEvent() redacts every reason of a plan", () => {
  const redactor = redactorOf("hunter22");
  const reason = { path: toRelPath("a"), side: "local", why: "says hunter22" } as const;
  const plan: Plan = {
    ...{ actions: [], historyUpdates: [], undecided: [] },
    conflicts: [{ path: reason.path, why: reason.why, local: undefined, remote: undefined }],
    refusals: [{ ...reason, kind: "denied" }],
    heldRemovals: [{ ...reason, kind: "refused" }],
    notes: [{ code: "x", ...reason }],
  };
  const planned = redactor.redactEvent({ type: "planned", plan });
  assert.ok(!JSON.stringify(planned).includes("hunter22"), JSON.stringify(planned));
});
