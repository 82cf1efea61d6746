import { createCipheriv } from "node:crypto";
import { join } from "node:path";

/** Data sets, the same bytes, names and times on every machine. */
const dataSets = {
  small: { files: 5_000, folders: 100, bytes: [1_024, 8_192] },
  large: { files: 1, folders: 0, bytes: [512 * 1024 * 1024, 512 * 1024 * 1024] },
  "100k": { files: 100_000, folders: 1_000, bytes: [10, 10] },
} as const satisfies Readonly<Record<string, DataSet>>;

export type DataName = keyof typeof dataSets;

interface DataSet {
  readonly files: number;
  readonly folders: number;
  readonly bytes: readonly [least: number, most: number];
}

/** Writes a data set into a new folder. Times are whole seconds of the past, so that every protocol can keep them. */
export function makeData(name: DataName, dir: string): void {
  const { files, folders, bytes: [least, most] } = dataSets[name];
  const random = keystream(name);
  Deno.mkdirSync(dir, { recursive: true });
  for (let folder = 0; folder < folders; folder++) Deno.mkdirSync(join(dir, folderName(folder)));
  for (let index = 0; index < files; index++) {
    const folder = folders === 0 ? "" : folderName(index % folders);
    const size = least + random(4).readUInt32LE() % (most - least + 1);
    const path = join(dir, folder, `file${String(index).padStart(6, "0")}.bin`);
    using file = Deno.openSync(path, { write: true, createNew: true });
    for (let left = size; left > 0; left -= pieceBytes) writeAll(file, random(Math.min(left, pieceBytes)));
    file.utimeSync(firstSecond + index, firstSecond + index);
  }
}

const pieceBytes = 1024 * 1024;
/** 2024-01-01 */
const firstSecond = 1_704_067_200;

function folderName(index: number): string {
  return `folder${String(index).padStart(4, "0")}`;
}

/** Bytes that look random and do not compress, told by the seed alone. */
function keystream(seed: string): (bytes: number) => Buffer {
  const cipher = createCipheriv("aes-256-ctr", seed.padEnd(32, "."), "0123456789abcdef");
  const zeros = new Uint8Array(pieceBytes);
  return (bytes) => cipher.update(zeros.subarray(0, bytes));
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}
