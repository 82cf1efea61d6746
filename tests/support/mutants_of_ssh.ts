import type { Mutant } from "./mutants_list.ts";

const messages = "tests/unit/ssh/messages_test.ts";
const odd = "tests/unit/backends/sftp/odd_servers_test.ts";
const filter = "lib/ssh/messages.ts";

/** Sabotages of SSH and SFTP. */
export const mutantsOfSsh: readonly Mutant[] = [
  {
    name: "ssh: the login service is requested before the host key is verified",
    file: filter,
    old: "protocol.service = (name) => this.#requestService = () => service(name);",
    new: "protocol.service = (name) => service(name);",
    tests: [messages],
  },
  {
    name: "ssh: the verdict on the host key is not awaited",
    file: filter,
    old: "await judge(this.#shown);",
    new: "void judge(this.#shown).catch(() => {});",
    tests: [messages],
  },
  {
    name: "ssh: a success counts that answers no login",
    file: filter,
    old: 'if (!isLogin || this.#isAsked) return false;\n        this.#state = "open";',
    new: 'this.#state = "open";',
    tests: [messages],
  },
  {
    name: "ssh: a success counts while a question is open",
    file: filter,
    old: 'if (!isLogin || this.#isAsked) return false;\n        this.#state = "open";',
    new: 'if (!isLogin) return false;\n        this.#state = "open";',
    tests: [messages],
  },
  {
    name: "ssh: messages that only a client sends are admitted",
    file: filter,
    old: "      default:\n        return this.#state",
    new: "      case 50:\n        return true;\n      default:\n        return this.#state",
    tests: [messages],
  },
  {
    name: "ssh: the login service may be accepted twice",
    file: filter,
    old: 'if (this.#state !== "service") return false;',
    new: 'if (this.#state !== "service" && this.#state !== "login") return false;',
    tests: [messages],
  },
  {
    name: "ssh: a later key exchange may show another host key",
    file: filter,
    old: "if (Buffer.compare(this.#shown, key) === 0) return true;",
    new: "if (this.#shown.length === key.length) return true;",
    tests: [messages],
  },
  {
    name: "ssh: keys may be exchanged anew while the host key is verified",
    file: filter,
    old: 'return this.#state !== "verify" && this.#state !== "exchange";',
    new: "return true;",
    tests: [messages],
  },
  {
    name: "ssh: a host key of nothing is verified",
    file: filter,
    old: "if (this.#shown === undefined || this.#shown.length === 0) throw",
    new: "if (this.#shown === undefined) throw",
    tests: [messages],
  },
  {
    name: "ssh: the connection protocol is spoken before the login",
    file: filter,
    old: 'return this.#state === "open" && (type',
    new: "return (type",
    tests: [messages],
  },
  {
    name: "ssh: a flood of messages without use is no reason to end",
    file: filter,
    old: "if (this.#idleBytes <= MOST_IDLE_BYTES) return;",
    new: "if (this.#idleBytes >= 0) return;",
    tests: [messages],
  },
  {
    name: "ssh: a further link takes any host key",
    file: "lib/ssh/jump_hosts.ts",
    old: "verify: (key) => Buffer.compare(hostKey, key) === 0 ?",
    new: "verify: (key) => Buffer.compare(hostKey, key) !== 2 ?",
    tests: ["tests/e2e/sftp/early_success_test.ts"],
  },
  {
    name: "sftp: two open files may share a handle",
    file: "lib/backends/sftp/handles.ts",
    old: "for (const one of same) this.#shared.add(one);",
    new: "",
    tests: [odd],
  },
  {
    name: "sftp: handles that were shared are opened side by side again",
    file: "lib/backends/sftp/handles.ts",
    old: "    this.#most = 1;\n  }\n\n  /** Throws busy",
    new: "  }\n\n  /** Throws busy",
    tests: ["tests/unit/backends/sftp/handles_test.ts"],
  },
  {
    name: "sftp: a server that allows no more open files is asked for as many again",
    file: "lib/backends/sftp/handles.ts",
    old: "this.#most = Math.max(1, Math.min(this.#most, this.#open.size));",
    new: "this.#most = Infinity;",
    tests: [odd],
  },
  {
    name: "sftp: a write is proven by nothing",
    file: "lib/backends/sftp/temp_file.ts",
    old: 'if (found?.kind === "file" && found.size === draft.options.size) return found;',
    new: 'if (found?.kind === "file") return { ...found, size: draft.options.size };',
    tests: [odd],
  },
  {
    name: "sftp: an old version that stepped aside counts as a leftover",
    file: "lib/sync/scan/scan.ts",
    old: "found.asides.push(entry);",
    new: "found.leftovers.push(entry.path);",
    tests: ["tests/e2e/sftp/swap_test.ts"],
  },
  {
    name: "sftp: a folder that was seen a moment ago counts for removals",
    file: "lib/backends/sftp/mod.ts",
    old: "this.#folders.checkNow(wire, parentOf(path), ask)",
    new: "this.#folders.check(wire, parentOf(path), ask)",
    tests: [odd],
  },
  {
    name: "sftp: the folders above are not looked at before the rename",
    file: "lib/backends/sftp/temp_file.ts",
    old: "const [attributes] = await Promise.all([wire.lstat(draft.temp, draft), draft.checkParent(wire)]);",
    new: "const [attributes] = await Promise.all([wire.lstat(draft.temp, draft)]);",
    tests: [odd],
  },
];
