import { Buffer } from "node:buffer";
import crypto from "node:crypto";

/** The S3 server of npm:s3rver on 127.0.0.1: s3rver.ts PACKAGE PORT FOLDER BUCKET. Its keys are "S3RVER" and "S3RVER". */
const [packageName = "", port, directory, bucket = ""] = Deno.args;

interface Server {
  run(): Promise<unknown>;
}

// It hides the key in its continuation tokens with DES, which no runtime has any more: here it stays readable.
const readable = { update: (content: string | Uint8Array) => Buffer.from(content as string), final: () => Buffer.of() };
Object.assign(crypto, { createCipheriv: () => readable, createDecipheriv: () => readable });

const loaded = await import(packageName) as { readonly default: new (options: object) => Server };
const server = new loaded.default({
  port: Number(port),
  address: "127.0.0.1",
  silent: true,
  directory,
  configureBuckets: [{ name: bucket }],
});
await server.run();
Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
