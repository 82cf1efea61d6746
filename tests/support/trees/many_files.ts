import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { pattern } from "../content.ts";

/** Many small files, and what each of them must be whenever its final name is seen. */
export interface ManyFiles {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly bytes: number;
}

/** Writes `count` files of up to 4 KiB into folders of a hundred. Every time is whole seconds and long past. */
export function writeManyFiles(folder: string, count: number): ManyFiles {
  const files = new Map<string, Uint8Array>();
  for (let index = 0; index < count; index++) {
    const dir = `d${Math.floor(index / 100)}`;
    if (index % 100 === 0) Deno.mkdirSync(`${folder}/${dir}`, { recursive: true });
    const [path, bytes] = [`${dir}/f${index}`, pattern(1 + (index * 37) % 4096, index)];
    files.set(path, bytes);
    Deno.writeFileSync(`${folder}/${path}`, bytes);
    Deno.utimeSync(`${folder}/${path}`, 1_700_000_000, 1_700_000_000);
  }
  return { files, bytes: Array.from(files.values()).reduce((sum, bytes) => sum + bytes.length, 0) };
}

/** Watches a folder while a run writes to it: every final name must have its whole size at every look. */
export function watchManyFiles(folder: string, { files }: ManyFiles): { stop(): Promise<number> } {
  const stop = new AbortController();
  const watching = (async () => {
    let looks = 0;
    for (; !stop.signal.aborted; looks++) {
      for (const [path, bytes] of files) {
        const info = await Deno.lstat(`${folder}/${path}`).catch(() => undefined);
        if (info !== undefined) assert.equal(info.size, bytes.length, `"${path}" is partial under its final name`);
        if (stop.signal.aborted) break;
      }
    }
    return looks;
  })();
  watching.catch(() => {});
  return {
    stop() {
      stop.abort();
      return watching;
    },
  };
}

/** How many files have arrived; fails when one of them is not exactly what it must be, or when something else than temporary files lies there. */
export function countArrived(folder: string, { files }: ManyFiles): { arrived: number; leftovers: string[] } {
  let arrived = 0;
  const leftovers: string[] = [];
  const visit = (prefix: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(`${folder}/${prefix}`)) {
      const path = prefix + name;
      if (isDirectory) visit(`${path}/`);
      else if (/^\..*\.tandem-[0-9a-f]{16}$/.test(name)) leftovers.push(path);
      else {
        const wanted = files.get(path);
        assert.ok(wanted !== undefined, `"${path}" belongs to nobody`);
        assert.ok(Buffer.from(wanted).equals(Deno.readFileSync(`${folder}/${path}`)), `"${path}" has other bytes`);
        arrived++;
      }
    }
  };
  visit("");
  return { arrived, leftovers };
}
