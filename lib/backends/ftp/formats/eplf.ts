import { type LineResult, type ListFormat, opaqueInexact, opaqueSpecial, parseSize, SECOND } from "./line.ts";

/** The format "+i8388621.48594,m825718503,r,s280,up644<tab>name" (EPLF): facts, whose times are UTC, and the name. */
export function eplfFormat(): ListFormat {
  return { read: readFacts };
}

function readFacts(line: string): LineResult {
  const tab = line.indexOf("\t");
  if (!line.startsWith("+") || tab < 0) return undefined;
  const [name, facts] = [line.slice(tab + 1), line.slice(1, tab).split(",")];
  const shape = "eplf";
  if (facts.includes("/")) return { name, shape, make: (path) => ({ kind: "dir", path }) };
  if (!facts.includes("r")) return { name, shape, make: opaqueSpecial };
  const valueOf = (key: string) => facts.find((fact) => fact.startsWith(key))?.slice(key.length);
  const [size, modified, mode] = [parseSize(valueOf("s")), parseSize(valueOf("m")), valueOf("up")];
  if (size === undefined) return { name, shape, make: opaqueInexact };
  const time = modified === undefined ? {} : { modified: modified * SECOND };
  const bits = mode !== undefined && /^[0-7]{3}$/.test(mode) ? { mode: Number.parseInt(mode, 8) } : {};
  return { name, shape, make: (path) => ({ kind: "file", path, size, ...time, ...bits }) };
}
