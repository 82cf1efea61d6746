/** A program with its arguments, as a contestant wants it started. */
export interface Invocation {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** How one run went. `peakBytes`: the most memory the process itself held, undefined where /proc does not tell. */
export type Measured =
  | { readonly how: "done"; readonly ms: number; readonly peakBytes: number | undefined }
  | { readonly how: "capped"; readonly ms: number }
  | { readonly how: "failed"; readonly why: string };

/** Runs a program to its end, or kills it at `limitMs`. */
export async function measure(invocation: Invocation, limitMs: number): Promise<Measured> {
  const { program, args, env = {}, input } = invocation;
  const start = performance.now();
  const child = new Deno.Command(program, {
    args: [...args],
    env: { ...env },
    stdin: input === undefined ? "null" : "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let capped = false;
  const limit = setTimeout(() => {
    capped = true;
    child.kill("SIGKILL");
  }, limitMs);
  let peakBytes: number | undefined;
  const watch = setInterval(() => peakBytes = peakOf(child.pid) ?? peakBytes, 25);
  const complaint = lastWords(child.stderr);
  if (input !== undefined) await feed(child.stdin, input);
  const { success, code } = await child.status;
  const ms = performance.now() - start;
  clearTimeout(limit);
  clearInterval(watch);
  if (capped) return { how: "capped", ms: limitMs };
  return success ? { how: "done", ms, peakBytes } : { how: "failed", why: `exit ${code}: ${await complaint}` };
}

async function feed(stdin: WritableStream<Uint8Array<ArrayBuffer>>, input: string): Promise<void> {
  const writer = stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
}

async function lastWords(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const piece of stderr.pipeThrough(new TextDecoderStream())) text = (text + piece).slice(-400);
  return text.trim();
}

/** VmHWM: the high water mark of what lay in memory. */
function peakOf(pid: number): number | undefined {
  try {
    const kibibytes = Deno.readTextFileSync(`/proc/${pid}/status`).match(/^VmHWM:\s+(\d+) kB$/m)?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}
