import assert from "node:assert/strict";
import fc from "npm:fast-check@4.10.2";
import { resolveSshConfig, type SshSettings } from "../../lib/ssh/config.ts";
import { loadSshConfig } from "../../lib/ssh/config_parser.ts";
import { runs, seeded } from "../support/runs.ts";
import { skipsServer } from "../support/servers/install.ts";
import { probeVersion } from "../support/servers/recipes.ts";

// Our reading of an ssh_config against `ssh -G`, which prints the settings that OpenSSH would use.
// Left out, because ssh -G does not show them or they are meant to differ: Match exec, canonical and final (never
// followed here), tokens of paths (ssh expands them later), values that ssh refuses, `ProxyJump none` before a comment
// (OpenSSH 9.2 takes "none" for a host then).

const client = { packages: ["openssh-client"], probe: probeVersion("/usr/bin/ssh", ["-V"], /OpenSSH/) };
const HOSTS = ["web1", "WEB1", "db.example.com", "10.0.0.7"] as const;
const pick = (...values: readonly string[]) => fc.constantFrom(...values);
const patterns = fc.array(
  pick("web1", "web2", "web*", "*.example.com", "*", "!web1", "!*.example.com", "w?b1", "10.0.0.*", "WEB1"),
  { minLength: 1, maxLength: 3 },
);

/** Values as a file may write them, quotes included. */
const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  HostName: ["real.example.com", "%h.example.net", "192.0.2.4", "Real.Example.COM", '"quoted.example.com"'],
  User: ["deploy", '"bob"', "'carol'", "a#b", '"two words"', "back\\\\slash", "a\\ b", 'in"si"de'],
  Port: ["22", "2222", '"2200"', "65535"],
  IdentityFile: ["/k/one", "/k/two", '"/k/my key"', "'/k/it is'", "/k/a\\ b", "none", '"/k/#1"'],
  IdentitiesOnly: ["yes", "no", "true", "false"],
  IdentityAgent: ["none", "/run/agent.sock", "SSH_AUTH_SOCK"],
  ProxyJump: ["jump1", "a@jump:2222,b"],
  ProxyCommand: ["nc %h %p", 'sh -c "nc %h %p"', "none"],
  UserKnownHostsFile: ["/kh/a", '/kh/a "/kh/b"', "none"],
  GlobalKnownHostsFile: ["/gh/a", "/gh/a /gh/b", "none"],
  RevokedHostKeys: ["/revoked", '"/re voked"', "none"],
  HashKnownHosts: ["yes", "no"],
  HostKeyAlias: ["farm", '"Farm2"'],
  ConnectTimeout: ["5", "1m", "1m30s", "90", "2h", "none"],
  ServerAliveInterval: ["5", "1m", "90", "0"],
  PubkeyAuthentication: ["yes", "no"],
  PasswordAuthentication: ["yes", "no"],
  KbdInteractiveAuthentication: ["yes", "no"],
  ChallengeResponseAuthentication: ["yes", "no"],
};

const setting = fc.constantFrom(...Object.entries(SETTINGS)).chain(([name, values]) =>
  fc.tuple(
    pick("", "  ", "\t"),
    pick(name, name.toLowerCase()),
    pick(" ", "=", " = ", "\t"),
    pick(...values),
    tail(name),
  )
    .map((parts) => parts.join(""))
);

/** What may follow a value. A command is the rest of its line, so that nothing may follow it. */
function tail(name: string): fc.Arbitrary<string> {
  return name === "ProxyCommand" ? fc.constant("") : pick("", "", "  ", "  # a comment");
}

const blockStart = fc.oneof(
  patterns.map((list) => `Host ${list.join(" ")}`),
  patterns.map((list) => `Host=${list.map((one) => `"${one}"`).join(" ")}`),
  fc.constant("Match all"),
  fc.tuple(pick("", "!"), pick("host", "originalhost", "Host"), pick(" ", "="), patterns)
    .map(([not, name, sign, list]) => `Match ${not}${name}${sign}${list.join(",")}`),
  fc.tuple(pick("deploy", "bob,carol", "!bob,*", '"Deploy,ann"'), patterns)
    .map(([user, list]) => `Match user ${user} host "${list.join(",")}"`),
  patterns.map((list) => `Match localuser ann,root originalhost ${list.join(",")}`),
);

const lines = fc.array(fc.oneof({ weight: 12, arbitrary: setting }, pick("", "# nothing", "Include %INC%")), {
  maxLength: 5,
});
const block = fc.tuple(blockStart, lines).map(([start, inner]) => [start, ...inner].join("\n"));
const file = fc.tuple(lines, fc.array(block, { maxLength: 4 }), pick("\n", ""))
  .map(([before, blocks, end]) => [...before, ...blocks].join("\n") + end);
/** A file, and the two that it includes wherever it has an Include; the second includes nothing. */
const config = fc.record({ main: file, first: file, second: file, host: fc.constantFrom(...HOSTS) });

interface Case {
  readonly main: string;
  readonly first: string;
  readonly second: string;
  readonly host: string;
}

Deno.test({
  name: "an ssh_config is read as `ssh -G` reads it",
  ignore: Deno.build.os === "windows" || skipsServer("ssh", client),
  fn: async () => {
    const dir = await Deno.makeTempDir({ prefix: "tandem-ssh-g-" });
    const localUser = (await output("id", ["-un"])).trim();
    try {
      const property = fc.asyncProperty(config, (one) => compare({ dir, localUser }, one));
      await fc.assert(property, { numRuns: runs(60, 3_000, 200), ...seeded(20_261_201) });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

/** The folder of the files, and the account that `ssh -G` takes for the user. */
interface Place {
  readonly dir: string;
  readonly localUser: string;
}

async function compare({ dir, localUser }: Place, { main, first, second, host }: Case): Promise<void> {
  const texts = [
    main.replaceAll("%INC%", `${dir}/first`),
    first.replaceAll("%INC%", `${dir}/secon?`),
    second.replaceAll("Include %INC%", ""),
  ];
  for (const [index, name] of ["main", "first", "second"].entries()) {
    await Deno.writeTextFile(`${dir}/${name}`, texts[index] ?? "");
  }
  const theirs = await runSsh(`${dir}/main`, host);
  const all = await loadSshConfig(`${dir}/main`, {
    home: undefined,
    read: (path) => Deno.readTextFile(path).catch(() => undefined),
    list: async (folder) => (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name),
  });
  const ours = resolveSshConfig(all, { host, localUser, home: undefined, env: () => undefined });
  assert.deepEqual(shown(ours), expected(theirs, ours));
}

async function output(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], stdin: "null" }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function runSsh(path: string, host: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const line of (await output("/usr/bin/ssh", ["-G", "-F", path, host])).split("\n")) {
    const cut = line.indexOf(" ");
    if (cut < 0) continue;
    const name = line.slice(0, cut);
    found.set(name, [...found.get(name) ?? [], line.slice(cut + 1)]);
  }
  return found;
}

/** Our settings in the words of ssh -G. */
function shown(ours: SshSettings): Readonly<Record<string, unknown>> {
  const jumps = ours.proxyJump.map(({ user, host, port }) =>
    `${user === undefined ? "" : `${user}@`}${host}${port === undefined ? "" : `:${port}`}`
  );
  return {
    hostname: ours.hostName,
    user: ours.user,
    port: String(ours.port),
    identityfile: ours.identityFiles,
    identitiesonly: ours.identitiesOnly,
    identityagent: ours.identityAgent,
    proxyjump: jumps.length === 0 ? undefined : jumps.join(","),
    proxycommand: ours.proxyCommand,
    userknownhostsfile: ours.userKnownHosts,
    globalknownhostsfile: ours.globalKnownHosts,
    revokedhostkeys: ours.revokedHostKeys,
    hashknownhosts: ours.hashKnownHosts,
    hostkeyalias: ours.hostKeyAlias,
    connecttimeout: ours.connectTimeout,
    serveraliveinterval: ours.keepAlive,
    disabled: ours.disabledMethods,
  };
}

/** The settings of ssh -G in the same form. `ours` tells which lists keep their default, which ssh -G prints. */
function expected(
  theirs: ReadonlyMap<string, readonly string[]>,
  ours: SshSettings,
): Readonly<Record<string, unknown>> {
  const first = (name: string) => theirs.get(name)?.[0];
  const isSet = (name: string) => first(name) !== undefined && first(name) !== "none";
  const files = (name: string, isDefault: boolean) =>
    isDefault ? undefined : isSet(name) ? first(name)?.split(" ") : [];
  const time = (name: string) => Number(first(name)) > 0 ? Number(first(name)) * 1000 : undefined;
  const identities = theirs.get("identityfile")?.filter((path) => path !== "none");
  const isDefaultKeys = ours.identityFiles === undefined &&
    (identities ?? []).every((path) => path.includes(".ssh/id_"));
  const isDefault = (name: string) => /known_hosts2?$/.test(first(name) ?? "");
  return {
    hostname: first("hostname"),
    user: first("user"),
    port: first("port"),
    identityfile: isDefaultKeys ? undefined : identities ?? [],
    identitiesonly: first("identitiesonly") === "yes",
    identityagent: first("identityagent"),
    proxyjump: first("proxyjump"),
    proxycommand: first("proxycommand"),
    userknownhostsfile: files("userknownhostsfile", isDefault("userknownhostsfile")),
    globalknownhostsfile: files("globalknownhostsfile", isDefault("globalknownhostsfile")),
    revokedhostkeys: isSet("revokedhostkeys") ? first("revokedhostkeys") : undefined,
    hashknownhosts: first("hashknownhosts") === "yes",
    hostkeyalias: first("hostkeyalias"),
    connecttimeout: time("connecttimeout"),
    serveraliveinterval: time("serveraliveinterval"),
    disabled: [
      ...(/^(no|false)$/.test(first("pubkeyauthentication") ?? "") ? ["publickey"] : []),
      ...(first("passwordauthentication") === "no" ? ["password"] : []),
      ...(first("kbdinteractiveauthentication") === "no" ? ["keyboard-interactive"] : []),
    ],
  };
}
