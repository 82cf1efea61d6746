import assert from "node:assert/strict";
import { SyncError } from "../../lib/errors.ts";
import { parseTime } from "../../lib/backends/ftp_list.ts";
import { epsvPort, featuresOf, kindOf, pasvPort, pwdFolder, refusal, said } from "../../lib/backends/ftp_reply.ts";
import { toRelPath } from "../../lib/path.ts";

const signal = new AbortController().signal;

/** Reads any bytes as replies to what is asked of a server. Throws nothing but a SyncError. */
export function fuzzFtpReply(bytes: Uint8Array): void {
  const text = new TextDecoder("latin1").decode(bytes);
  const own = Number(/^\d{3}/.exec(text)?.[0] ?? 200);
  for (const code of [own, 211, 213, 227, 229, 250, 257, 421, 450, 451, 550, 553]) {
    const reply = { code, text: `${code}${text}` };
    for (const port of [epsvPort(reply), pasvPort(reply)]) assert.ok(port === undefined || (port > 0 && port < 65536));
    for (const name of featuresOf(reply).keys()) assert.equal(name, name.toUpperCase());
    pwdFolder(reply);
    kindOf(reply);
    // deno-lint-ignore no-control-regex
    assert.ok(!/[\u0000-\u001f\u007f-\u009f]/.test(said(reply)), "what is shown acts on no terminal");
    assert.ok(refusal({ signal, operation: "read", path: toRelPath("d/f") }, reply) instanceof SyncError);
  }
  const time = parseTime(text);
  assert.ok(time === undefined || Number.isFinite(time));
}
