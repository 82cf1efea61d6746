import { optionsFiles } from "./options_text.ts";

/** Writes the option types of mod.ts anew from the parameter tables: `deno task options`. */
const home = new URL("../../", import.meta.url);
for (const [path, text] of Object.entries(optionsFiles())) await Deno.writeTextFile(new URL(path, home), text);
