import { badInput } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import { errorReplyOf } from "./errors.ts";
import type { ObjectOptions } from "./types.ts";
import { type OperationContext, operationError } from "../../core/operation.ts";

/** Returns the options for every object that is written. Throws badInput for a value that no header can carry. */
export function parseObjectOptions(options: Readonly<Record<string, string>>): ObjectOptions {
  return {
    storageClass: checkPattern("StorageClass", options, {
      pattern: /^[\w.-]+$/,
      rule: "is one word, such as STANDARD_IA",
    }),
    acl: options["Acl"],
    cacheControl: checkPattern("CacheControl", options, {
      pattern: /^[\x20-\x7e]+$/,
      rule: 'is one line of ASCII, such as "max-age=3600"',
    }),
    encryption: options["ServerSideEncryption"],
    requesterPays: options["RequesterPays"] === "true",
  };
}

/** Throws badInput if Amazon S3 has no such storage class; other stores have names of their own. */
export function assertKnownStorageClass({ storageClass }: ObjectOptions, endpoint: URL | undefined): void {
  if (storageClass === undefined || !isAmazon(endpoint) || STORAGE_CLASSES.includes(storageClass)) return;
  throw badInput(
    `Amazon S3 has no storage class "${escapeForDisplay(storageClass)}": -StorageClass takes ${
      STORAGE_CLASSES.join(", ")
    }.`,
  );
}

/**
 * Returns the error of a write. If a store calls the request invalid without a reason, the most likely cause is an
 * option, so the error names the options.
 */
export function explainRejectedOptions(
  error: unknown,
  objectOptions: ObjectOptions,
  context: OperationContext,
): unknown {
  const refused = errorReplyOf(error);
  const asked = OPTION_NAMES.flatMap(([option, name]) =>
    objectOptions[name] === undefined ? [] : [`${option} ${objectOptions[name]}`]
  );
  if (refused?.code === undefined || !VAGUE_CODES.has(refused.code) || asked.length === 0) return error;
  const why = `the store says ${refused.code}; it may not accept ${asked.join(", ")}`;
  return operationError(context, "badInput", { why, cause: error });
}

/** Whether this is Amazon S3. `endpoint`: undefined if none was given. */
export function isAmazon(endpoint: URL | undefined): boolean {
  return endpoint === undefined || /(?:^|\.)amazonaws\.com(?:\.cn)?$/.test(endpoint.hostname);
}

const OPTION_NAMES = [
  ["-StorageClass", "storageClass"],
  ["-Acl", "acl"],
  ["-CacheControl", "cacheControl"],
  ["-ServerSideEncryption", "encryption"],
] as const satisfies readonly (readonly [string, keyof ObjectOptions])[];
const VAGUE_CODES = new Set(["InvalidArgument", "InvalidRequest"]);

/** "Amazon S3 API Reference, PutObject". */
const STORAGE_CLASSES = [
  "STANDARD",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER_IR",
  "GLACIER",
  "DEEP_ARCHIVE",
  "REDUCED_REDUNDANCY",
  "EXPRESS_ONEZONE",
  "OUTPOSTS",
  "SNOW",
];

interface Rule {
  readonly pattern: RegExp;
  readonly rule: string;
}

function checkPattern(
  name: string,
  options: Readonly<Record<string, string>>,
  { pattern, rule }: Rule,
): string | undefined {
  const value = options[name];
  if (value === undefined || pattern.test(value)) return value;
  throw badInput(`-${name} ${rule}; "${escapeForDisplay(value)}" is not.`);
}
