import { dirname, isAbsolute, join } from "node:path";
import { badInput } from "../core/errors.ts";
import { matchesPatternList } from "./known_hosts.ts";

/**
 * One line of an ssh_config file: its keyword in lower case and its arguments. `inner`: the lines below a Host or a
 * Match, or those of the included files. `origin`: the file and the line, for messages.
 */
export interface ConfigLine {
  readonly keyword: string;
  readonly values: readonly string[];
  readonly inner: readonly ConfigLine[];
  readonly origin: string;
}

/** The file access of loadSshConfig(): a missing file reads as undefined, a missing folder lists nothing. */
export interface ConfigFiles {
  readonly home: string | undefined;
  read(path: string): Promise<string | undefined>;
  list(dir: string): Promise<readonly string[]>;
}

/**
 * Reads an ssh_config file and all files that it includes, for any host. `baseDir`: the folder of relative Include
 * paths, by default that of the file. Throws badInput for a malformed file.
 */
export async function loadSshConfig(
  path: string,
  files: ConfigFiles,
  baseDir: string = dirname(path),
): Promise<readonly ConfigLine[]> {
  return await loadFile(path, files, { baseDir, includedBy: [] });
}

/** Replaces `~`, `$NAME` and `${NAME}` in a path. */
export function expandPath(
  text: string,
  { home, env }: { readonly home: string | undefined; env(name: string): string | undefined },
): string {
  const filled = text.replace(/\$\{(\w+)\}/g, (whole, name: string) => env(name) ?? whole);
  const named = /^\$(\w+)$/.exec(filled)?.[1];
  if (named !== undefined) return env(named) ?? filled;
  return home !== undefined && /^~(?=[/\\]|$)/.test(filled) ? join(home, filled.slice(1)) : filled;
}

/**
 * Splits the rest of a line into arguments as ssh does: '…' and "…" group words, a backslash escapes a quote, a
 * backslash or a space outside quotes, and a `#` at the start of a word begins a comment. Returns undefined if a quote
 * is not closed.
 */
export function splitArguments(text: string): readonly string[] | undefined {
  const found: string[] = [];
  let at = 0;
  while (true) {
    while (text[at] === " " || text[at] === "\t") at++;
    if (at >= text.length || text[at] === "#") return found;
    let word = "";
    let quote: string | undefined;
    for (; at < text.length; at++) {
      const char = text[at] ?? "";
      const next = text[at + 1] ?? "";
      if (char === "\\" && (/["'\\]/.test(next) || (quote === undefined && next === " "))) word += text[++at];
      else if (quote === undefined && /[ \t]/.test(char)) break;
      else if (quote === undefined && /["']/.test(char)) quote = char;
      else if (char === quote) quote = undefined;
      else word += char;
    }
    if (quote !== undefined) return undefined;
    found.push(word);
  }
}

const MAX_DEPTH = 16;

/** The chain of an included file. `baseDir`: the folder of relative paths; `includedBy`: the files that include it. */
interface IncludeChain {
  readonly baseDir: string;
  readonly includedBy: readonly string[];
}

async function loadFile(
  path: string,
  files: ConfigFiles,
  { baseDir, includedBy }: IncludeChain,
): Promise<readonly ConfigLine[]> {
  // Checked before the depth: a file that includes itself twice would be read 2^16 times.
  if (includedBy.includes(path)) throw badInput(`"${path}" includes itself; remove that Include.`);
  if (includedBy.length > MAX_DEPTH) {
    throw badInput(`"${path}" is included more than ${MAX_DEPTH} levels deep; remove an Include.`);
  }
  const text = await files.read(path);
  if (text === undefined) return [];
  const include = async (pattern: string) => {
    const found: ConfigLine[] = [];
    for (const one of await expandGlob(pattern, baseDir, files)) {
      found.push(...await loadFile(one, files, { baseDir, includedBy: [...includedBy, path] }));
    }
    return found;
  };
  return await Promise.all(parseLines(text, path).map((line) => withIncludes(line, include)));
}

/** Parses the lines of a file. A Host or a Match begins a block that ends at the next one. */
function parseLines(text: string, path: string): readonly ConfigLine[] {
  const lines: ConfigLine[] = [];
  let block = lines;
  for (const [index, raw] of text.replace(/^\ufeff/, "").split("\n").entries()) {
    const line = parseLine(raw.trim(), `"${path}" line ${index + 1}`);
    if (line === undefined) continue;
    if (line.keyword !== "host" && line.keyword !== "match") {
      block.push(line);
      continue;
    }
    block = [];
    lines.push({ ...line, inner: block });
  }
  return lines;
}

function parseLine(text: string, origin: string): ConfigLine | undefined {
  const [, name = "", rest = ""] = /^([^\s=]*)[ \t]*=?[ \t]*(.*)$/.exec(text) ?? [];
  if (name === "" || name.startsWith("#")) return undefined;
  const keyword = name.toLowerCase();
  const words = COMMANDS.includes(keyword) ? [rest].filter((command) => command !== "") : splitArguments(rest);
  if (words === undefined) throw malformed(origin, `"${name}" has a quote that is not closed`);
  const values = keyword === "match" ? splitCriteria(words) : words;
  if (values === undefined || values.length === 0) throw malformed(origin, `"${name}" has no value`);
  return { keyword, values, inner: [], origin };
}

/** The keywords whose value is the rest of the line as it is written. */
const COMMANDS: readonly string[] = ["proxycommand", "localcommand", "remotecommand", "knownhostscommand"];
/** The criteria of a Match that have no argument. */
const LONE_CRITERIA: readonly string[] = ["all", "canonical", "final"];

/**
 * Splits the words of a Match into pairs of criterion and argument, "" for those without: "host=a" is "host a". Returns
 * undefined if an argument is missing.
 */
function splitCriteria(words: readonly string[]): readonly string[] | undefined {
  const found: string[] = [];
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [name = "", inline] = word.split(/=(.*)/s);
    const isLone = LONE_CRITERIA.includes(name.replace(/^!/, "").toLowerCase());
    const argument = isLone ? "" : inline === undefined || inline === "" ? rest.shift() : inline;
    if (argument === undefined) return undefined;
    found.push(name, argument);
  }
  return found;
}

/** Returns the error of a line that ssh would refuse too. */
export function malformed(origin: string, why: string): Error {
  return badInput(`The SSH configuration cannot be read: ${origin}: ${why}; correct that line.`);
}

async function withIncludes(
  line: ConfigLine,
  include: (pattern: string) => Promise<readonly ConfigLine[]>,
): Promise<ConfigLine> {
  if (line.keyword !== "include") {
    return { ...line, inner: await Promise.all(line.inner.map((one) => withIncludes(one, include))) };
  }
  return { ...line, inner: (await Promise.all(line.values.map(include))).flat() };
}

/** Lists the files of an Include, sorted by name. `*` and `?` count in the last part of the path only. */
async function expandGlob(pattern: string, baseDir: string, files: ConfigFiles): Promise<readonly string[]> {
  const full = expandPath(pattern, { home: files.home, env: () => undefined });
  const path = isAbsolute(full) ? full : join(baseDir, full);
  const [dir, name] = [dirname(path), path.slice(dirname(path).length).replace(/^[/\\]/, "")];
  if (!/[*?]/.test(name)) return [path];
  const names = (await files.list(dir)).filter((one) => !one.startsWith(".") && matchesPatternList([name], one));
  return names.sort().map((one) => join(dir, one));
}
