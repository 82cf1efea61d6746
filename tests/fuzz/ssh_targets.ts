import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { parsePins } from "../../lib/ssh/host_key_pins.ts";
import { checkHostKey, knownKeyTypes, parseKnownHosts } from "../../lib/ssh/known_hosts.ts";
import { FindReader } from "../../lib/backends/sftp/remote_find.ts";
import { parseSums } from "../../lib/backends/sftp/checksum.ts";
import { parseJumps, resolveSshConfig } from "../../lib/ssh/config.ts";
import { loadSshConfig } from "../../lib/ssh/config_parser.ts";
import { parsePrivateKey, publicKeyOf } from "../../lib/ssh/private_key.ts";
import { MessageFilter, type RawProtocol } from "../../lib/ssh/messages.ts";
import { SyncError } from "../../lib/core/errors.ts";
import { root } from "../../lib/core/path.ts";
import { assertNamed } from "./http_targets.ts";
import type { FuzzTarget } from "./target.ts";

const isSyncError = (error: unknown) => error instanceof SyncError;
const ED25519 = Buffer.concat([
  Buffer.from("\0\0\0\x0bssh-ed25519\0\0\0\x20", "latin1"),
  Buffer.alloc(32, 7),
]).toString("base64");
const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();

/** What SSH reads: ssh's own files, private keys, the order of a server's messages, and what commands print there. */
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
      const { verdict } = checkHostKey(known, name, known[0]?.key ?? new Uint8Array(3));
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
      const { key, ...refused } = parsePrivateKey(text, "passphrase");
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
  {
    name: "hash-output",
    seeds: [`${"0a".repeat(32)} *a b\0${"ff".repeat(32)}  c\nd\0`],
    tokens: ["\0", " *", "  ", "0a".repeat(32), "\\", "\n"],
    run(bytes) {
      const sums = parseSums(new TextDecoder().decode(bytes));
      for (const [name, sum] of sums) {
        assert.ok(name !== "" && !name.includes("\0") && /^sha256:[0-9a-f]{64}$/.test(sum));
      }
      return [...sums];
    },
    expects: isSyncError,
  },
  {
    name: "ssh-messages",
    seeds: [
      "\x15\x00\x06\x33\x34\x5a\x5b\x14\x5e",
      "\x15\x35\x00\x35\x06\x3c\x33\x34",
      "\x34\x15\x00",
      "\x15\x00\x06\x3c\x34",
    ],
    tokens: ["\x15", "\x00", "\x06", "\x33", "\x34", "\x35", "\x3c", "\x14", "\x02", "\x07", "\x50", "\x5e"],
    run: (bytes) => admitAll(bytes.subarray(0, 256)),
    expects: isSyncError,
  },
];

const [NEWKEYS, VERDICT] = [21, 0];
const [SERVICE_ACCEPT, FAILURE, SUCCESS] = [6, 51, 52];

/**
 * Feeds one message for each byte, its type, to a connection. NEWKEYS begins the verification of the host key, and VERDICT, a type that
 * no message has, ends it. Checks what is admitted and sent meanwhile, and returns the types that were admitted and whether it ended.
 */
async function admitAll(types: Uint8Array) {
  const [admitted, logins]: [number[], string[]] = [[], []];
  let [isVerified, isOpen, isOver] = [false, false, false];
  const protocol: RawProtocol = {
    _compatFlags: 0,
    _authsQueue: logins,
    _onPayload([type = 0]) {
      assert.ok(!isOver, `message ${type} is admitted after the end`);
      if (type === SUCCESS) assert.ok(isVerified && logins.length > 0, "a success answers no login");
      assert.ok(isOpen || type < 80, `message ${type} is admitted before the login`);
      if (type === SERVICE_ACCEPT || type === FAILURE) logins.splice(0, 1, "password");
      if (type === SUCCESS) isOpen = logins.splice(0).length > 0;
      admitted.push(type);
    },
    service: () => assert.ok(isVerified, "the login service is requested before the host key is verified"),
    authInfoRes: () => {},
  };
  const filter = new MessageFilter(protocol, { host: "h", port: 22 }, () => isOver = true);
  filter.acceptsKey(Uint8Array.of(1));
  const verdict = Promise.withResolvers<void>();
  let verified: Promise<void> | undefined;
  for (const type of types) {
    if (type === NEWKEYS) {
      verified = filter.verify(() => verdict.promise);
      protocol.service("ssh-userauth");
    } else if (type === VERDICT) {
      isVerified = true;
      verdict.resolve();
      await verified;
    } else protocol._onPayload(Uint8Array.of(type));
  }
  return { [admitted.join(" ")]: isOver };
}
