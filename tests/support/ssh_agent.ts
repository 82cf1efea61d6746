import { join } from "node:path";

/** An agent that holds these keys. */
export async function startAgent(
  dir: string,
  keys: readonly string[],
): Promise<{ readonly socket: string } & AsyncDisposable> {
  const socket = join(dir, "agent.sock");
  const child = new Deno.Command("ssh-agent", { args: ["-D", "-a", socket], stdout: "null", stderr: "null" }).spawn();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
  };
  while (await Deno.lstat(socket).catch(() => undefined) === undefined) {
    await new Promise((done) => setTimeout(done, 10));
  }
  const add = new Deno.Command("ssh-add", { args: ["-q", ...keys], env: { SSH_AUTH_SOCK: socket } });
  const { success, stderr } = await add.output();
  if (!success) {
    await stop();
    throw new Error(new TextDecoder().decode(stderr));
  }
  return { socket, [Symbol.asyncDispose]: stop };
}
