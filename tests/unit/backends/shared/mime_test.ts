import assert from "node:assert/strict";
import { contentType } from "../../../../lib/backends/shared/mime.ts";
import { toRelPath } from "../../../../lib/core/path.ts";

Deno.test("contentType() goes by the ending, texts are UTF-8, and what is not known stays unsaid", () => {
  const types = ["index.html", "a/B.JPG", "data.json", "x.unknown-ending", "README", "page.css"];
  assert.deepEqual(types.map((name) => contentType(toRelPath(name))), [
    "text/html; charset=utf-8",
    "image/jpeg",
    "application/json",
    undefined,
    undefined,
    "text/css; charset=utf-8",
  ]);
});
