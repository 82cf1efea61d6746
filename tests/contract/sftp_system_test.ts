import { skipsServer } from "../support/servers/install.ts";
import { startSshd } from "../support/servers/sftp.ts";
import { openTestSftp } from "../support/targets/sftp_target.ts";
import { throughProxy } from "../support/targets/through_proxy.ts";
import { ownFolder, sharedServer } from "./shared.ts";
import { conform } from "./suite.ts";

const ignore = skipsServer("sftp");
const running = sharedServer(ignore, startSshd);

/** The same server as in sftp_test.ts, by the system's ssh. It runs no commands, so that no folder tree is walked by one. */
conform({
  name: "sftp by the system's ssh",
  ignore,
  lacks: ["copy", "flush", "walk"],
  gives: ["cut", "silence", "disk"],
  async fresh({ timeout = 10_000 } = {}) {
    await using stack = new AsyncDisposableStack();
    const server = running();
    const { disk, root } = await ownFolder(server, stack);
    const options = {
      Timeout: String(timeout),
      ReconnectTime: "2000",
      SshClient: "System",
      SshPrivateKeyPath: server.privateKeyPath,
    };
    const open = (port: number) => openTestSftp(server, { port, path: root, options });
    return { ...await throughProxy(server.port, open, { stack }), disk };
  },
});
