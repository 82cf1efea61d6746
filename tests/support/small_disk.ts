/** A disk in memory of so many bytes, mounted on a folder. `fill` takes the rest of it; `setReadOnly` lets nothing more be written. */
export interface SmallDisk extends AsyncDisposable {
  fill(): Promise<void>;
  setReadOnly(): Promise<void>;
}

/** Whether this machine lets the tester mount a disk: Linux, as root, outside of most containers. */
export async function canMount(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const folder = await Deno.makeTempDir({ prefix: "tandem-mount-" });
  try {
    await using _disk = await mountSmall(folder, 65_536);
    return true;
  } catch {
    return false;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Mounts the disk; it is gone, with all it holds, when it is disposed of. */
export async function mountSmall(folder: string, bytes: number): Promise<SmallDisk> {
  await command("mount", "-t", "tmpfs", "-o", `size=${bytes},mode=700`, "tmpfs", folder);
  return {
    async fill() {
      using file = await Deno.open(`${folder}/filler`, { append: true, create: true, mode: 0o600 });
      const page = new Uint8Array(4096);
      while (await file.write(page).then(() => true, () => false));
    },
    setReadOnly: () => command("mount", "-o", "remount,ro", folder),
    [Symbol.asyncDispose]: () => command("umount", folder),
  };
}

/** Shows a folder at another place too, as another mount of the same disk. */
export async function mountBind(folder: string, at: string): Promise<AsyncDisposable> {
  await command("mount", "--bind", folder, at);
  return { [Symbol.asyncDispose]: () => command("umount", at) };
}

async function command(name: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args: [...args] }).output();
  if (!success) throw new Error(`${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
