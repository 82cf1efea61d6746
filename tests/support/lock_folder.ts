/** Can this machine make a folder that its own user cannot write to? Root needs a disk that knows immutable folders. */
export async function canLockFolder(): Promise<boolean> {
  const dir = await Deno.makeTempDir({ prefix: "tandem-locked-" });
  try {
    await using _lock = await lockFolder(dir);
    return await Deno.writeTextFile(`${dir}/probe`, "").then(() => false, () => true);
  } catch {
    return false;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Nothing can be written into the folder until the lock is disposed of. */
export async function lockFolder(path: string): Promise<AsyncDisposable> {
  if (Deno.uid() === 0) {
    await chattr("+i", path);
    return { [Symbol.asyncDispose]: () => chattr("-i", path) };
  }
  await Deno.chmod(path, 0o555);
  return { [Symbol.asyncDispose]: () => Deno.chmod(path, 0o755) };
}

async function chattr(flag: string, path: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("chattr", { args: [flag, path] }).output();
  if (!success) throw new Error(`chattr ${flag} "${path}": ${new TextDecoder().decode(stderr)}`);
}
