import type { Body, WriteOptions } from "../../core/backend.ts";
import type { GcsClient, ObjectContext } from "./client.ts";
import type { KnownFolders } from "./known_folders.ts";

/** A file that is being written. */
export interface PendingWrite extends ObjectContext {
  readonly options: WriteOptions;
  readonly body: Body;
}

/** A client of the bucket, and the folders known to exist. */
export interface BucketClient {
  readonly client: GcsClient;
  readonly folders: KnownFolders;
}

/** The metadata of an object in an upload request. */
export interface ObjectResource {
  readonly name: string;
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly md5Hash?: string;
}
