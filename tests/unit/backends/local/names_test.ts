import assert from "node:assert/strict";
import { posix, win32 } from "node:path";
import { addressFolder, diskPath, explainRisk, resolveFolder } from "../../../../lib/backends/local/names.ts";
import { SyncError } from "../../../../lib/core/errors.ts";
import { root, toRelPath } from "../../../../lib/core/path.ts";
import type { Address } from "../../../../lib/core/protocol.ts";

const isBadInput = (error: unknown) => error instanceof SyncError && error.kind === "badInput";
const isUnsupported = (error: unknown) => error instanceof SyncError && error.kind === "unsupported";

for (
  const [folder, found] of [
    ["site", "/home/u/site"],
    ["./site/", "/home/u/site"],
    ["../v/x", "/home/v/x"],
    [".", "/home/u"],
    ["", "/home/u"],
    ["/mnt//backup/", "/mnt/backup"],
    ["/", "/"],
    ["C:\\x", "/home/u/C:\\x"],
    ["~", "/home/u/~"],
    ["%20", "/home/u/%20"],
  ] as const
) {
  Deno.test(`resolveFolder() on POSIX takes ${JSON.stringify(folder)} as ${found}`, () => {
    assert.equal(resolveFolder(posix, "/home/u", folder), found);
  });
}

for (
  const [folder, found] of [
    ["site", "C:\\Users\\u\\site"],
    ["..\\v/x", "C:\\Users\\v\\x"],
    [".", "C:\\Users\\u"],
    ["D:\\data\\", "D:\\data"],
    ["D:/data/x", "D:\\data\\x"],
    ["D:\\", "D:\\"],
    ["\\temp", "C:\\temp"],
    ["\\\\server\\share\\dir", "\\\\server\\share\\dir"],
    ["//server/share/dir", "\\\\server\\share\\dir"],
  ] as const
) {
  Deno.test(`resolveFolder() on Windows takes ${JSON.stringify(folder)} as ${found}`, () => {
    assert.equal(resolveFolder(win32, "C:\\Users\\u", folder), found);
  });
}

for (
  const folder of [
    "C:x",
    "C:..\\x",
    "\\\\?\\C:\\x",
    "\\\\.\\COM1",
    "//?/C:/x",
    "NUL",
    "a\\con\\b",
    "a:b",
    "x\\y:z",
    "a.",
    "a \\b",
    "a\0b",
  ]
) {
  Deno.test(`resolveFolder() on Windows refuses ${JSON.stringify(folder)}`, () => {
    assert.throws(() => resolveFolder(win32, "C:\\Users\\u", folder), isBadInput);
  });
}

Deno.test("resolveFolder() refuses a NUL everywhere", () => {
  assert.throws(() => resolveFolder(posix, "/home/u", "a\0b"), isBadInput);
});

for (
  const [host, path, onPosix, onWindows] of [
    ["", "/mnt/backup", "/mnt/backup", "\\mnt\\backup"],
    ["localhost", "/mnt/backup", "/mnt/backup", "\\mnt\\backup"],
    ["", "/C:/data", "/C:/data", "C:\\data"],
    ["", "", undefined, undefined],
    ["server", "/share/dir", "refused", "\\\\server\\share\\dir"],
  ] as const
) {
  Deno.test(`addressFolder() of file://${host}${path}`, () => {
    const address: Address = { scheme: "file", host, path, pins: [] };
    assert.equal(addressFolder(win32, address), onWindows);
    if (onPosix === "refused") assert.throws(() => addressFolder(posix, address), isBadInput);
    else assert.equal(addressFolder(posix, address), onPosix);
  });
}

Deno.test("diskPath() joins below the root with the system's separator", () => {
  assert.equal(diskPath(posix, "/srv/site", toRelPath("a/b c")), "/srv/site/a/b c");
  assert.equal(diskPath(posix, "/", toRelPath("a")), "/a");
  assert.equal(diskPath(posix, "/srv/site", root), "/srv/site");
  assert.equal(diskPath(win32, "C:\\site", toRelPath("a/b c")), "C:\\site\\a\\b c");
  assert.equal(diskPath(win32, "C:\\", toRelPath("a")), "C:\\a");
  assert.equal(diskPath(win32, "\\\\server\\share", toRelPath("a/b")), "\\\\server\\share\\a\\b");
});

for (const path of ["a:b", "dir/nul.txt", "a\\..\\..\\b", "x/COM1/y", "a.", "b /c", "file::$DATA", "CONIN$"]) {
  Deno.test(`diskPath() on Windows refuses ${JSON.stringify(path)}, on POSIX it is a name like others`, () => {
    assert.throws(() => diskPath(win32, "C:\\site", toRelPath(path)), isUnsupported);
    assert.equal(diskPath(posix, "/s", toRelPath(path)), `/s/${path}`);
  });
}

for (
  const [flavour, real, home, broad] of [
    [posix, "/", "/home/u", "a disk's root"],
    [posix, "/home/u", "/home/u", "your home folder"],
    [posix, "/home/u", "/home/u/", "your home folder"],
    [posix, "/home/u/site", "/home/u", undefined],
    [posix, "/home", "/home/u", undefined],
    [posix, "/home/u", undefined, undefined],
    [posix, "/home/u", "", undefined],
    [win32, "C:\\", undefined, "a disk's root"],
    [win32, "\\\\server\\share\\", undefined, undefined],
    [win32, "\\\\server\\share", undefined, undefined],
    [win32, "C:\\Users\\u", "c:\\users\\U", "your home folder"],
    [win32, "C:\\Users\\u\\site", "C:\\Users\\u", undefined],
  ] as const
) {
  Deno.test(`broadPlace() of ${real} at home in ${home ?? "no place"} is ${broad ?? "ordinary"}`, () => {
    assert.equal(explainRisk(flavour, real, home), broad);
  });
}
