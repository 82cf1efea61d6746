import { join } from "node:path";

/** A folder on this disk that a server serves, and as that server names it. */
export interface ServedFolder {
  readonly disk: string;
  readonly root: string;
}

/** One server for all cases of a file: started before the first, stopped after the last. */
export function sharedServer<S extends AsyncDisposable>(ignore: boolean, start: () => Promise<S>): () => S {
  let running: S | undefined;
  if (!ignore) {
    Deno.test.beforeAll(async () => void (running = await start()));
    Deno.test.afterAll(async () => await running?.[Symbol.asyncDispose]());
  }
  return () => {
    if (running === undefined) throw new Error("the server was not started");
    return running;
  };
}

/** An empty folder of one case on a shared server, with the owner of what it lies in; removed with the stack. */
export async function ownFolder({ disk, root }: ServedFolder, stack: AsyncDisposableStack): Promise<ServedFolder> {
  const name = crypto.randomUUID().slice(0, 8);
  const folder = join(disk, name);
  await Deno.mkdir(folder);
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const { uid, gid } = await Deno.stat(disk);
  await Deno.chown(folder, uid, gid);
  return { disk: folder, root: `${root.replace(/\/$/, "")}/${name}` };
}
