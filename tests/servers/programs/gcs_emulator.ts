/** The Cloud Storage emulator of npm:firebase-tools on 127.0.0.1, without its rules: gcs_emulator.ts PACKAGE PORT. */
const [packageName = "", port = ""] = Deno.args;

interface Emulator {
  readonly getInfo: unknown;
}
type Listen = (port: number, host: string, listening: () => void) => void;
type EmulatorModule = { StorageEmulator: new (options: object) => Emulator };
type ServerModule = { createApp(project: string, emulator: Emulator): Promise<{ readonly listen: Listen }> };
type RegistryModule = { EmulatorRegistry: { readonly INSTANCES: Map<string, Emulator> } };

const load = <T>(path: string) => import(`${packageName}/lib/emulator/${path}.js`) as Promise<T>;
const { StorageEmulator } = await load<EmulatorModule>("storage/index");
const { createApp } = await load<ServerModule>("storage/server");
const { EmulatorRegistry } = await load<RegistryModule>("registry");

const host = "127.0.0.1";
// It is not started as a whole: its rules need a program of another runtime that it fetches, and govern another API.
const rules = { name: "none", content: "" };
const emulator = new StorageEmulator({ projectId: "project", host, port: Number(port), rules });
EmulatorRegistry.INSTANCES.set("storage", emulator);
(await createApp("project", emulator)).listen(
  Number(port),
  host,
  () => void Deno.stdout.writeSync(new TextEncoder().encode("ready\n")),
);
