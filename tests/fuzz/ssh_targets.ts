import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { parsePins } from "../../lib/backends/host_pins.ts";
import { judgeHostKey, knownKeyTypes, parseKnownHosts } from "../../lib/backends/known_hosts.ts";
import { FindReader } from "../../lib/backends/sftp_find.ts";
import { loadSshConfig, parseJumps, resolveSshConfig } from "../../lib/backends/ssh_config.ts";
import { publicKeyOf, readKey } from "../../lib/backends/ssh_keys.ts";
import { SyncError } from "../../lib/errors.ts";
import { root } from "../../lib/path.ts";
import { assertNamed } from "./http_targets.ts";
import type { FuzzTarget } from "./target.ts";

const isSyncError = (error: unknown) => error instanceof SyncError;
const ED25519 = Buffer.concat([
  Buffer.from("\0\0\0\x0bssh-ed25519\0\0\0\x20", "latin1"),
  Buffer.alloc(32, 7),
]).toString("base64");
const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();

/** What SSH reads: ssh's own files, private keys, and what find prints on the server. */
export const sshTargets: readonly FuzzTarget[] = [
  {
    name: "known-hosts",
    seeds: [
      `web1,*.example.com,!bad ssh-ed25519 ${ED25519}\n@revoked [h]:2222 ssh-ed25519 ${ED25519}\n|1|abc=|def= ssh-ed25519 ${ED25519}\n`,
    ],
    tokens: ["|1|", "@cert-authority ", "@revoked ", "ssh-ed25519 ", ED25519, "*", "?", "!", ",", "[", "]:"],
    run(bytes) {
      const known = parseKnownHosts(new TextDecoder().decode(bytes), "known_hosts");
      const name = { host: "web1.example.com", port: 2222 };
      knownKeyTypes(known, name);
      const { verdict } = judgeHostKey(known, name, known[0]?.key ?? new Uint8Array(3));
      return { [verdict]: known };
    },
    expects: isSyncError,
  },
  {
    name: "ssh-config",
    seeds: [
      "Host web* !web9\n  User %u\n  Port 2222\n  ProxyJump a,b@c:23\n  IdentityFile ~/.ssh/%h\n" +
      'Match host "x" user y\n  ConnectTimeout 5\nInclude conf.d/*\nHostKeyAlias=z\n',
    ],
    tokens: [
      "Host ",
      "Match ",
      "Include ",
      "exec",
      "ProxyJump ",
      "%%",
      "%d",
      '"',
      "=",
      "*",
      "?",
      "all",
      "\\",
      "${HOME}",
    ],
    async run(bytes) {
      const text = new TextDecoder().decode(bytes);
      const files = {
        home: "/home/u",
        read: (path: string) => Promise.resolve(path === "/etc/x" ? text : undefined),
        list: () => Promise.resolve([]),
      };
      const lines = await loadSshConfig("/etc/x", files);
      const query = { host: "web1", localUser: "u", home: "/home/u", env: () => "v" };
      return resolveSshConfig(lines, query);
    },
    expects: isSyncError,
  },
  {
    name: "ssh-words",
    seeds: ["a, bob@b.example:2222,[2001:db8::1]:22", "SHA256:abc;ssh-rsa 1024 0a:0b"],
    tokens: ["@", "[", "]", ":", ",", ";", "SHA256:", "MD5:"],
    run(bytes) {
      const text = new TextDecoder().decode(bytes);
      return text.includes("SHA") ? parsePins(text.split(";")) : parseJumps(text);
    },
    expects: isSyncError,
  },
  {
    name: "private-keys",
    seeds: [
      pem,
      pem.replaceAll(" PRIVATE", " OPENSSH PRIVATE"),
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END",
    ],
    tokens: [
      "-----BEGIN OPENSSH PRIVATE KEY-----",
      "-----END OPENSSH PRIVATE KEY-----",
      "b3BlbnNzaC1rZXktdjEA",
      "Proc-Type: 4,ENCRYPTED",
    ],
    run(bytes) {
      const text = new TextDecoder().decode(bytes);
      publicKeyOf(text);
      const { key, ...refused } = readKey(text, "passphrase");
      return key?.type ?? (refused as { readonly why?: string }).why?.slice(0, 8);
    },
    expects: isSyncError,
  },
  {
    name: "find-output",
    seeds: [
      "hello\0tandem begin\0d755 4096 1700000000.5 \0\0d755 4096 1700000000.5 a\0\0f644 12 1700000000.0 a/b\0\0" +
      "l777 3 1700000000 c\0a/b\0\0tandem end\0",
    ],
    tokens: ["\0", "\0tandem begin\0", "\0tandem end\0", "f644 ", "d755 ", " ", "../", "\n"],
    run(bytes) {
      const reader = new FindReader(root);
      const text = new TextDecoder().decode(bytes);
      reader.push(text.slice(0, text.length >> 1));
      reader.push(text.slice(text.length >> 1));
      const found = reader.end();
      assertNamed(found?.entries ?? []);
      return found;
    },
    expects: isSyncError,
  },
];
