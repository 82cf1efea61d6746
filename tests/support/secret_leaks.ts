import { Buffer } from "node:buffer";

/** A password that every encoding changes; its core is letters alone, so that no escape can hide it. */
export const secretCanary = "Kanarienvogel/+%41 é\"'\\$x";

/** Every form in which the secret could be found in a text: as it is, in base64, hex or percent signs, escaped for JSON. */
export function findSecret(text: string, secret = secretCanary): string | undefined {
  const folded = text.toLowerCase();
  return formsOf(secret).find((form) => text.includes(form) || folded.includes(form.toLowerCase()));
}

/** Names and contents of all files below a folder, as one text. */
export async function readEverything(folder: string): Promise<string> {
  const found: string[] = [];
  const visit = async (dir: string) => {
    for await (const { name, isDirectory, isFile } of Deno.readDir(dir)) {
      found.push(name);
      if (isDirectory) await visit(`${dir}/${name}`);
      else if (isFile) found.push(Buffer.from(await Deno.readFile(`${dir}/${name}`)).toString("latin1"));
    }
  };
  await visit(folder);
  return found.join("\n");
}

/** The letters at its beginning stand for it: no escape can hide them. */
function formsOf(secret: string): readonly string[] {
  const core = /^[A-Za-z]+/.exec(secret)?.[0] ?? "";
  const utf8 = Buffer.from(core);
  return [
    core,
    encodeURIComponent(secret),
    utf8.toString("hex"),
    [...utf8].map((byte) => `%${byte.toString(16)}`).join(""),
    // Base64 of the core behind 0, 1 and 2 other bytes, without the ends that its neighbours decide.
    ...[0, 1, 2].map((shift) => Buffer.concat([Buffer.alloc(shift), utf8]).toString("base64").slice(4, -4)),
    Buffer.from(core, "utf16le").toString("latin1"),
  ];
}
