import type { ProtocolOption } from "../../core/protocol.ts";
import { noTempOption } from "../shared/direct_writes.ts";

/**
 * The options that SFTP adds to New-Session, Sync-Path and Compare-Path. -Timeout is common to all protocols and is
 * defined elsewhere.
 */
export const sftpOptions = [
  {
    name: "SshPrivateKeyPath",
    kind: "text",
    aliases: ["IdentityFile"],
    help: "A private key file to log in with, before the keys of the agent and of ~/.ssh.",
  },
  {
    name: "SshPrivateKeyPassphrase",
    kind: "secret",
    aliases: ["PrivateKeyPassphrase", "SecurePrivateKeyPassphrase"],
    help: "The passphrase of an encrypted private key; asked for at a terminal when it is missing.",
  },
  {
    name: "SshHostKeyFingerprint",
    kind: "list",
    help: 'The host key that must answer: "SHA256:…", one of several; then no known hosts are read.',
  },
  {
    name: "SshHostKeyPolicy",
    kind: "text",
    values: ["Check", "AcceptNew", "GiveUpSecurityAndAcceptAny"],
    help: "Policy for a host key that is not known yet. Check asks at a terminal and refuses elsewhere.",
  },
  {
    name: "GiveUpSecurityAndAcceptAnySshHostKey",
    kind: "toggle",
    help: "Accepts any host key: an attacker in between can read and change everything.",
  },
  {
    name: "SshConfigFile",
    kind: "text",
    help:
      'The ssh_config to read host aliases, users, keys and jump hosts from; ~/.ssh/config by default, "none" for none.',
  },
  {
    name: "SshAgent",
    kind: "text",
    help: 'The socket of an SSH agent, SSH_AUTH_SOCK by default; "none" for none.',
  },
  {
    name: "SshClient",
    kind: "text",
    values: ["Auto", "System", "BuiltIn"],
    help:
      "System logs in with the ssh of OpenSSH: ProxyCommand, certificates, security keys. Auto uses it where ssh_config or the key needs it.",
  },
  {
    name: "AllowLegacyAlgorithms",
    kind: "toggle",
    help: "Also allows SHA-1 and CBC, for servers that support nothing newer.",
  },
  {
    name: "ReconnectTime",
    kind: "duration",
    help:
      "The time in which a lost connection may be restored before the run ends, 2m by default; 0 to never reconnect.",
  },
  {
    name: "Connections",
    kind: "number",
    help: "The number of concurrent connections, 4 by default; fewer are used if the server refuses more.",
  },
  noTempOption,
] as const satisfies readonly ProtocolOption[];
