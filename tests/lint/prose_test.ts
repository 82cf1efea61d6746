import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A doc sentence that names no thing in the field's term: it opens with a question word, or is a question. */
function isHeadless(sentence: string): boolean {
  return /^(?:Who|Whoever|Whom|Whose|Which|What|Whatever|Where|Nobody|Somebody)\b/.test(sentence) ||
    sentence.endsWith("?");
}

/** The sentences of the doc comments of a source text. */
function sentencesOf(text: string): readonly string[] {
  return [...text.matchAll(/\/\*\*([\s\S]*?)\*\//g)].flatMap(([, comment = ""]) => {
    const words = comment.replace(/^[ \t]*\*[ \t]?/gm, "").split(/```[\s\S]*?```/).join(" ").replace(/\s+/g, " ")
      .trim();
    return words.split(/(?<=[.?!])\s+(?=[A-Z`"])/).filter((sentence) => sentence !== "");
  });
}

Deno.test("isHeadless() finds what opens with a question word, and questions", () => {
  const comment = "/** Where it is. A list, in order. Is it there? What users see. Returns it.\n * Whether it is. */";
  assert.deepEqual(sentencesOf(comment).filter(isHeadless), ["Where it is.", "Is it there?", "What users see."]);
});

Deno.test("no doc sentence opens with a question word, and none is a question", async () => {
  const found: string[] = [];
  for (const folder of ["lib", "cmd"]) {
    for (const name of await readdir(`${root}${folder}`, { recursive: true })) {
      if (!name.endsWith(".ts")) continue;
      const text = await readFile(`${root}${folder}/${name}`, "utf8");
      for (const sentence of sentencesOf(text).filter(isHeadless)) found.push(`${folder}/${name}: ${sentence}`);
    }
  }
  assert.deepEqual(found, []);
});
