import type { ProtocolOption } from "../../core/protocol.ts";

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
    help: "Takes any host key: whoever stands between reads and changes everything.",
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
    name: "AllowLegacyAlgorithms",
    kind: "toggle",
    help: "Agrees to SHA-1 and CBC too, for servers that know nothing newer.",
  },
  {
    name: "ReconnectTime",
    kind: "duration",
    help: "How long a broken connection is dialled again before the run gives up, 2m by default, 0 for never.",
  },
  {
    name: "Connections",
    kind: "number",
    help: "How many connections may be open side by side, 4 by default; fewer are used when the server refuses more.",
  },
] as const satisfies readonly ProtocolOption[];
