import assert from "node:assert/strict";
import { findProtocol, type ProtocolOption, protocols } from "../../../lib/backends/mod.ts";

Deno.test("findProtocol() finds a row by any of its schemes, in any case", () => {
  assert.equal(findProtocol("file")?.local, true);
  assert.equal(findProtocol("SFTP")?.defaultPort, 22);
  assert.equal(findProtocol("scp"), findProtocol("sftp"));
  for (const other of ["gopher", "", "sftp:", "toString"]) assert.equal(findProtocol(other), undefined);
});

Deno.test("protocols share no scheme, name or option of one row", () => {
  for (const words of [protocols.flatMap((row) => row.schemes), protocols.flatMap((row) => row.names)]) {
    assert.equal(new Set(words).size, words.length);
  }
  for (const { options } of protocols) {
    const rows: readonly ProtocolOption[] = options;
    const names = rows.flatMap((option) => [option.name, ...option.aliases ?? []]).map((name) => name.toLowerCase());
    assert.equal(new Set(names).size, names.length);
  }
});

Deno.test("protocols load their client only when asked", async () => {
  for (const row of protocols) assert.equal(typeof await row.load(), "function");
});
