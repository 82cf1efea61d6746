import { startGcs } from "./gcs.ts";
import { freePort } from "./install.ts";
import { startNpmProgram } from "./npm_program.ts";

/** The Cloud Storage emulator of npm:firebase-tools on 127.0.0.1; any bucket that is named exists. Stopped by its process id. */
export interface GcsEmulator extends AsyncDisposable {
  readonly port: number;
  /** "http://127.0.0.1:port". */
  readonly endpoint: string;
  /** The file of a service account: its tokens come from a server of the tests, as the emulator gives none and takes any. */
  keyFile(): string;
}

/** Starts it, and a server for tokens. Rejects where the package is missing (serverTest skips before that). */
export async function startGcsEmulator(): Promise<GcsEmulator> {
  await using stack = new AsyncDisposableStack();
  const login = stack.use(await startGcs());
  // It keeps its objects in the temporary folder.
  const dir = await Deno.makeTempDir({ prefix: "tandem-gcs-emulator-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const port = freePort();
  const program = "gcs_emulator.ts";
  await startNpmProgram({ recipe: "gcs-emulator", program, words: [`${port}`], env: { TMPDIR: dir } }, stack);
  const life = stack.move();
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    keyFile: () => login.keyFile(),
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}
