import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { freshDisk } from "../../support/disk.ts";
import { serverTest } from "../../support/servers/install.ts";
import { type Sshd, startSshd } from "../../support/servers/sftp.ts";

const home = new URL("../../../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", home));
const blocks = [...readme.matchAll(/^```(\w+)[^\n]*\n(.*?)^```$/gms)].map(([, language = "", text = ""]) => ({
  language,
  text,
}));
const commands = blocks.filter(({ language }) => language === "sh").flatMap(({ text }) =>
  text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
);

/** The tester's own state folder is not used, wherever the environment puts it. */
const NO_STATE = { TANDEM_STATE: "", XDG_STATE_HOME: "" };

Deno.test("README names the demo and the tests by tasks that exist, with one version of Deno", async () => {
  const tasks = commands.filter((line) => line.includes("npx"));
  const { tasks: known } = JSON.parse(await Deno.readTextFile(new URL("deno.json", home)));
  assert.deepEqual(tasks.map((line) => line.split(" ").at(-1)), ["demo", "test"]);
  for (const line of tasks) assert.ok((line.split(" ").at(-1) ?? "") in known, line);
  assert.equal(new Set(tasks.map((line) => /deno@[\d.]+/.exec(line)?.[0])).size, 1);
});

Deno.test("README's demo runs, and leaves nothing behind", async () => {
  const before = leftovers();
  await using home = await freshDisk();
  const { code, stdout, stderr } = await sh("deno task -q demo", { HOME: home.disk, ...NO_STATE });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /nothing to do/);
  assert.match(stdout, /downloaded {2}\/www\/new-there\.txt/);
  assert.deepEqual(leftovers().filter((name) => !before.includes(name)), []);
  assert.deepEqual(Array.from(Deno.readDirSync(home.disk), ({ name }) => name), []);
});

serverTest("README's commands do what it says, in their order", { server: "sftp" }, async () => {
  await using sshd = await startSshd();
  const work = await workFolder(sshd);
  for (const line of commands.filter((line) => line.startsWith("tandem"))) {
    const { code, stderr } = await sh(onServer(line, sshd), { HOME: sshd.home, ...NO_STATE }, work);
    assert.equal(code, 0, `${line}\n${stderr}`);
    assert.equal(await Deno.readTextFile(`${sshd.disk}/var/www/index.html`), "<h1>Hello</h1>");
  }
});

serverTest("README's program does what it says", { server: "sftp" }, async () => {
  await using sshd = await startSshd();
  const work = await workFolder(sshd);
  const [program] = blocks.filter(({ language }) => language === "ts");
  assert.ok(program !== undefined);
  const text = onServer(program.text, sshd).replace("./mod.ts", new URL("mod.ts", home).href);
  await Deno.writeTextFile(`${work}/program.ts`, text);
  const { code, stdout, stderr } = await sh("deno run -q -A program.ts", { HOME: sshd.home, ...NO_STATE }, work);
  assert.equal(code, 0, stderr);
  assert.equal(stdout.trim(), "1");
});

/** The same words for a server of the test: its address, and a folder of its own for /var/www. */
function onServer(text: string, { host, port, user, root }: Sshd): string {
  return text.replaceAll(/deploy@web1(?::22)?/g, `${user}@${host}:${port}`).replaceAll("/var/www", `${root}/var/www`);
}

async function workFolder(sshd: Sshd): Promise<string> {
  const work = `${sshd.dir}/work`;
  await Deno.mkdir(`${work}/site`, { recursive: true });
  await Deno.writeTextFile(`${work}/site/index.html`, "<h1>Hello</h1>");
  return work;
}

async function sh(line: string, env: Readonly<Record<string, string>>, cwd = fileURLToPath(home)) {
  const deno = `'${Deno.execPath()}'`;
  const script = `tandem() { ${deno} run -q -A '${fileURLToPath(new URL("mod.ts", home))}' "$@"; }\n` +
    `deno() { ${deno} "$@"; }\n${line}`;
  const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    cwd,
    env: { DENO_DIR: cache, ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function leftovers(): string[] {
  const folder = Deno.env.get("TMPDIR") ?? "/tmp";
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).filter((name) => name.startsWith("tandem-demo-"));
}
