import { isIP } from "node:net";
import { posix } from "node:path";
import { badInput, SyncError } from "../../core/errors.ts";
import { escapeForDisplay } from "../../core/path.ts";
import type { Address } from "../../core/protocol.ts";
import { formatHostPort, isLoopback } from "../../net/host.ts";

/** A bucket's endpoint, region, name and start folder, as the address and the options name them. */
export interface BucketAddress {
  /** "https://host:port"; undefined: Amazon's endpoint of the region, or the one in the user's AWS configuration. */
  readonly endpoint: string | undefined;
  /** Undefined: the region in the user's AWS configuration. */
  readonly region: string | undefined;
  readonly bucket: string;
  /** The start folder: "/" or "/a/b". */
  readonly path: string;
  readonly pathStyle: boolean;
  /** "s3://bucket", "spaces://fra1/space"; contains no secret. */
  readonly label: string;
}

/**
 * Parses a bucket's address: s3://bucket/prefix, s3://host[:port]/bucket/prefix if the host is a known store or has a
 * port, spaces://region/space/prefix, r2://account/bucket/prefix. Throws badInput, and refused for http: to a host
 * other than the local one.
 */
export function parseBucketAddress(address: Address, options: Readonly<Record<string, string>>): BucketAddress {
  const { scheme, host } = address;
  const region = options["Region"];
  const given = options["Endpoint"];
  const isPathStyle = options["PathStyle"] === "true";
  if (scheme === "spaces" || scheme === "r2") {
    if (given !== undefined) throw badInput(`${scheme}:// names the endpoint already: leave -Endpoint out.`);
    const { bucket, path } = splitBucket(address, scheme === "spaces" ? "space" : "bucket");
    const endpoint = scheme === "spaces"
      ? `https://${host}.digitaloceanspaces.com`
      : `https://${host}.r2.cloudflarestorage.com`;
    const own = scheme === "spaces" ? "us-east-1" : "auto";
    const label = `${scheme}://${host}/${bucket}`;
    return { endpoint, region: region ?? own, bucket, path, pathStyle: isPathStyle || scheme === "r2", label };
  }
  const named = endpointFromHost(address);
  if (named === undefined) {
    const endpoint = given === undefined ? undefined : parseEndpoint(given, options);
    const at = endpoint === undefined ? "" : ` at ${endpoint.replace(/^https:\/\//, "")}`;
    const path = parseFolder(address.path);
    const pathStyle = isPathStyle || (endpoint !== undefined && isIpAddress(new URL(endpoint).hostname));
    return { endpoint, region, bucket: host, path, pathStyle, label: `s3://${host}${at}` };
  }
  if (given !== undefined) throw badInput("The address names the endpoint already: leave -Endpoint out.");
  const { bucket, path } = splitBucket(address, "bucket");
  const endpoint = parseEndpoint(named, options);
  const label = `s3://${new URL(endpoint).host}/${bucket}`;
  const pathStyle = isPathStyle || !KNOWN_STORES.test(host) || bucket.includes(".");
  return { endpoint, region: region ?? regionFromHost(host), bucket, path, pathStyle, label };
}

/** A bucket, its endpoint and region, and the style of its URL. */
export interface BucketUrlOptions {
  /** "https://host[:port][/path]"; undefined: Amazon's endpoint. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly pathStyle: boolean;
}

/**
 * Returns the URL of a bucket, to which keys are appended. The bucket is part of the host name if possible, otherwise
 * of the path ("Amazon S3 User Guide, Virtual hosting of general purpose buckets"). Undefined if its name or region
 * needs rules that are not implemented here.
 */
export function toBucketUrl({ endpoint, region, bucket, pathStyle }: BucketUrlOptions): URL | undefined {
  const base = endpoint ?? amazonEndpoint(region);
  if (base === undefined || SPECIAL_BUCKET.test(bucket)) return undefined;
  const url = new URL(base);
  const isAddress = isIP(url.hostname.replace(/^\[|\]$/g, "")) !== 0 || url.hostname === "localhost";
  // A certificate for *.host matches one label below it, not two.
  const hostable = url.protocol === "https:" ? HOST_LABEL : HOST_NAME;
  const isInHost = !pathStyle && !isAddress && hostable.test(bucket);
  if (isInHost) url.hostname = `${bucket}.${url.hostname}`;
  const path = url.pathname.replace(/\/$/, "");
  url.pathname = isInHost ? `${path}/` : `${path}/${encodeURIComponent(bucket)}/`;
  return url;
}

/** Returns a bucket's endpoint: its URL without the bucket. */
export function toEndpoint(url: URL, bucket: string): URL {
  const host = url.hostname.startsWith(`${bucket}.`) ? url.hostname.slice(bucket.length + 1) : url.hostname;
  return new URL(`${url.protocol}//${host}${url.port === "" ? "" : `:${url.port}`}`);
}

/** Resolves a folder: "/x" is absolute, any other path is relative to `from`. */
export function resolveFolder(from: string, folder: string): string {
  return posix.resolve(from, folder);
}

/** Throws refused for an unencrypted endpoint, because content and signatures would be readable on the network. */
export function assertSecure(endpoint: URL, options: Readonly<Record<string, string>>): void {
  if (endpoint.protocol === "https:") return;
  if (endpoint.protocol !== "http:") throw badInput(`The endpoint ${shorten(endpoint.origin)} is no https:// address.`);
  if (options["AllowInsecure"] === "true" || isLoopback(endpoint.hostname.replace(/^\[|\]$/g, ""))) return;
  throw new SyncError(
    "refused",
    `Refused to use ${
      shorten(endpoint.origin)
    }: all content would be readable on the network: write https://, or -AllowInsecure`,
    { operation: "open" },
  );
}

/**
 * Whether the host belongs to Amazon S3 itself. Amazon's customers have hosts below amazonaws.com too, for example
 * their functions and virtual machines.
 */
export function isAmazonS3(host: string): boolean {
  return AMAZON_S3.test(host);
}

/** "Amazon Simple Storage Service endpoints and quotas", also with a bucket in front. */
const AMAZON_S3 =
  /(?:^|\.)s3(?:-accelerate|-fips)?(?:\.dualstack)?(?:[.-][a-z]{2}(?:-[a-z]+)+-\d{1,2})?\.amazonaws\.com(?:\.cn)?$/i;

/** Host names of known stores, which are never bucket names. */
const KNOWN_STORES =
  /(?:^|\.)(?:amazonaws\.com(?:\.cn)?|digitaloceanspaces\.com|r2\.cloudflarestorage\.com|storage\.googleapis\.com|backblazeb2\.com|wasabisys\.com)$/i;

/**
 * Returns the endpoint if the address names one instead of a bucket: a host with a port, an IP address, or a known
 * store.
 */
function endpointFromHost({ host, port }: Address): string | undefined {
  if (port === undefined && !KNOWN_STORES.test(host) && !isIpAddress(host) && host !== "localhost") return undefined;
  return `${isLoopback(host) ? "http" : "https"}://${formatHostPort({ host, port })}`;
}

function isIpAddress(host: string): boolean {
  return /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-f:]*:[0-9a-f:.]*\]?)$/i.test(host);
}

/**
 * Returns the region in a host name such as "s3.eu-west-1.amazonaws.com". "fra1.digitaloceanspaces.com" has none:
 * Spaces expects Amazon's first region.
 */
function regionFromHost(host: string): string | undefined {
  if (/storage\.googleapis\.com$|r2\.cloudflarestorage\.com$/i.test(host)) return "auto";
  return /^s3[.-](?:dualstack\.)?([a-z]{2}-[a-z-]+-\d)\./i.exec(host)?.[1];
}

function splitBucket(
  { scheme, host, path }: Address,
  what: string,
): { readonly bucket: string; readonly path: string } {
  const [, bucket = "", rest = ""] = /^\/([^/]*)(.*)$/s.exec(path) ?? [];
  if (bucket === "") {
    throw badInput(`Which ${what}? Write ${scheme}://${escapeForDisplay(host)}/${what}/prefix.`, "InvalidAddress");
  }
  return { bucket, path: parseFolder(rest) };
}

/**
 * Checks the path of a prefix, which is a folder. An empty name in it is rejected: it would be normalized away, so that
 * the path would mean another folder.
 */
function parseFolder(path: string): string {
  const bare = path.replace(/^\/|\/$/g, "");
  if (bare.split("/").some((name, _, all) => name === "" && all.length > 1)) {
    throw badInput(
      `The path "${escapeForDisplay(path)}" has an empty name in it: write one slash between folders.`,
      "InvalidAddress",
    );
  }
  return `/${bare}`;
}

function parseEndpoint(text: string, options: Readonly<Record<string, string>>): string {
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined || url.hostname === "" || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw badInput('-Endpoint takes the address of a store alone: "https://minio.example:9000".');
  }
  assertSecure(url, options);
  return url.origin + url.pathname.replace(/\/$/, "");
}

function shorten(text: string): string {
  return escapeForDisplay(text).slice(0, 100);
}

/** Returns Amazon's endpoint in a region of the standard partitions, or undefined for another region. */
function amazonEndpoint(region: string): string | undefined {
  if (!STANDARD_REGION.test(region)) return undefined;
  return `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

const STANDARD_REGION = /^(?:us|us-gov|eu|ap|sa|ca|me|af|il|mx|cn)-[a-z]+-\d{1,2}$/;
/** Directory buckets authenticate differently; a name with a colon is an access point. */
const SPECIAL_BUCKET = /--x-s3$|--xa-s3$|:/;
const HOST_LABEL = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
const HOST_NAME = /^[a-z0-9][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)*$/;
