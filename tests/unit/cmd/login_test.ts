import assert from "node:assert/strict";
import { passwordVariableOf } from "../../../cmd/shared/password.ts";

Deno.test("passwordVariableOf() names a variable of its own for every host", () => {
  const names: Readonly<Record<string, string | undefined>> = {
    "web1": "TANDEM_PASSWORD_WEB1",
    "Web1.Example.com": "TANDEM_PASSWORD_WEB1_EXAMPLE_COM",
    "web-1.example.com": "TANDEM_PASSWORD_WEB__1_EXAMPLE_COM",
    "127.0.0.1": "TANDEM_PASSWORD_127_0_0_1",
    "fe80::1": "TANDEM_PASSWORD_FE80_____1",
    "2001:db8::1:2": "TANDEM_PASSWORD_2001___DB8_____1___2",
    "::ffff:10.0.0.1": "TANDEM_PASSWORD______FFFF___10_0_0_1",
    "web_1": undefined,
    "web1.": undefined,
    "-web1": undefined,
    "a-.b": undefined,
    "": undefined,
    "münchen": undefined,
  };
  for (const [host, name] of Object.entries(names)) assert.equal(passwordVariableOf(host), name, host);
  const alike = ["a-b.com", "a.b.com", "a.b-com", "a--b.com", "a.b", "a-b", "fe80::1", "fe80---1", "fe80:1"];
  assert.equal(new Set(alike.map(passwordVariableOf)).size, alike.length);
});
