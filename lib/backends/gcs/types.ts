import type { Body, WriteOptions } from "../../core/backend.ts";
import type { Api, Spot } from "./client.ts";
import type { Folders } from "./known_folders.ts";

/** A file that is being written. */
export interface Draft extends Spot {
  readonly options: WriteOptions;
  readonly body: Body;
}

/** A bucket, and what is known of its folders. */
export interface Tree {
  readonly api: Api;
  readonly folders: Folders;
}

/** An object as an upload describes it. */
export interface Resource {
  readonly name: string;
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly md5Hash?: string;
}
