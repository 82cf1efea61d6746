import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const home = new URL("../../../", import.meta.url);
const source = await Deno.readTextFile(new URL("mod.ts", home));
/** The programs in the comments of mod.ts, by their titles. */
const examples = [...source.matchAll(/^ \* @example ([^\n]+)\n \* ```ts\n(.*?)^ \* ```$/gms)].map((
  [, title = "", text = ""],
) => ({ title, text: text.replaceAll(/^ \* ?/gm, "") }));

Deno.test("The examples of mod.ts pass the type check and run", async (t) => {
  assert.ok(examples.length >= 5, `only ${examples.length} examples were found`);
  const work = await Deno.makeTempDir({ prefix: "tandem-examples-" });
  try {
    await Deno.mkdir(`${work}/site`);
    await Deno.writeTextFile(`${work}/site/index.html`, "<h1>Hello</h1>");
    const files: string[] = [];
    for (const { text } of examples) {
      const file = `${work}/example_${files.length}.ts`;
      const program = text.replace('"./mod.ts"', JSON.stringify(new URL("mod.ts", home).href))
        .replaceAll("sftp://deploy@web1/var/www", `file://${work}/www`);
      assert.notEqual(program, text);
      await Deno.writeTextFile(file, program);
      files.push(file);
    }
    const checked = await deno(["check", "-q", "--config", fileURLToPath(new URL("deno.json", home)), ...files], work);
    assert.equal(checked.code, 0, checked.stderr);
    for (const [i, { title }] of examples.entries()) {
      await t.step(title, async () => {
        const ran = await deno(["run", "-q", "-A", "--no-check", files[i] ?? ""], work);
        assert.deepEqual([ran.code, ran.stderr], [0, ""], ran.stderr);
      });
    }
    assert.equal(await Deno.readTextFile(`${work}/www/index.html`), "<h1>Hello</h1>");
    assert.equal(await Deno.readTextFile(`${work}/copy/index.html`), "<h1>Hello</h1>");
  } finally {
    await Deno.remove(work, { recursive: true });
  }
});

async function deno(args: readonly string[], cwd: string) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { TANDEM_STATE: `${cwd}/state`, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}
