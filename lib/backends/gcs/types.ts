import type { Body, WriteOptions } from "../../core/backend.ts";
import type { Api, Spot } from "./client.ts";
import type { Folders } from "./known_folders.ts";

/** A file that is being written. */
export interface Draft extends Spot {
  readonly options: WriteOptions;
  readonly body: Body;
}

/** A client of the bucket, and the folders known to exist. */
export interface Tree {
  readonly api: Api;
  readonly folders: Folders;
}

/** The metadata of an object in an upload request. */
export interface Resource {
  readonly name: string;
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly md5Hash?: string;
}
