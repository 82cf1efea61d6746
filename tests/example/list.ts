import type { Entry } from "../../lib/core/entry.ts";
import { checkName } from "../../lib/core/path.ts";
import { type ExampleClient, malformed, readJson } from "./client.ts";
import { isRecord, parseStat } from "./stat.ts";
import type { ResolvedPath } from "../../lib/core/operation.ts";

/** Lists one folder. A listing is whole or rejects: a part of one would look like deletions. */
export async function list(client: ExampleClient, target: ResolvedPath): Promise<readonly Entry[]> {
  const found = await readJson(await client.send({ method: "GET", query: "list" }, target), target);
  if (!Array.isArray(found)) throw malformed(target);
  return found.map((value: unknown): Entry => {
    if (!isRecord(value) || typeof value["name"] !== "string") throw malformed(target);
    // Every name that a server sends passes this check: "..", "a/b" and their like must not become paths.
    const checked = checkName(target.path, value["name"]);
    if (checked.ok) return parseStat(value, checked.path, target);
    return { kind: "opaque", path: checked.displayPath, cause: "name", why: checked.why };
  });
}
