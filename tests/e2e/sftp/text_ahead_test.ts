import assert from "node:assert/strict";
import { join } from "node:path";
import { SyncError } from "../../../lib/core/errors.ts";
import { openTestSftp } from "../../support/targets/sftp_target.ts";
import { startSshd } from "../../support/servers/sftp.ts";
import { serverTest } from "../../support/servers/install.ts";

/** A login script's output, and what the message shows of it. */
const scripts: readonly (readonly [name: string, script: string, shown: RegExp])[] = [
  [
    "a greeting ahead of SFTP",
    `echo "Welcome to the machine"; exec /usr/lib/openssh/sftp-server`,
    /"Welcome to the machine"/,
  ],
  [
    "an empty line, then control characters",
    `printf '\\n\\033[31mred\\033[0m\\n'; exec /usr/lib/openssh/sftp-server`,
    /"\\u001b\[31mred/,
  ],
  [
    "a shell that refuses",
    `echo "This account is currently not available."; exit 1`,
    /account is currently not available/,
  ],
  ["a very long line", `head -c 5000 /dev/zero | tr '\\0' x; sleep 0.2`, /"x{200}"/],
  ["two letters and the end", `printf hi`, /"hi"/],
];

serverTest("text ahead of SFTP is shown, escaped and bounded, by either client", { server: "sftp" }, async (t) => {
  const dir = await Deno.makeTempDir({ prefix: "tandem-noisy-" });
  try {
    const noisy = join(dir, "noisy");
    await using sshd = await startSshd({ config: [`ForceCommand ${noisy}`] });
    for (const SshClient of ["BuiltIn", "System"]) {
      for (const [name, script, shown] of scripts) {
        await t.step(`${SshClient}: ${name}`, async () => {
          await Deno.writeTextFile(noisy, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
          const options = { SshClient, SshPrivateKeyPath: sshd.privateKeyPath, Timeout: "10000" };
          const error = await openTestSftp(sshd, { options }).then(() => undefined, (why) => why);
          assert.ok(error instanceof SyncError, String(error));
          assert.equal(error.kind, "connection");
          assert.match(error.message, shown);
          assert.match(error.message, /~\/\.bashrc/);
          assert.ok(
            error.message.length < 600 && !["\n", "\u001b"].some((sign) => error.message.includes(sign)),
            error.message,
          );
        });
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
