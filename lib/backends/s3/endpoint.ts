import { isIP } from "node:net";

/** Where a bucket is asked for, and how it is to be written there. */
export interface Asked {
  /** "https://host[:port][/path]"; undefined: Amazon's own. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly bucket: string;
  readonly pathStyle: boolean;
}

/**
 * The address of a bucket, which its keys follow: the bucket stands in the host's name where it can, else in the path ("Amazon S3 User
 * Guide, Virtual hosting of general purpose buckets"). Undefined where its name or its region needs more than is known here.
 */
export function toBucketUrl({ endpoint, region, bucket, pathStyle }: Asked): URL | undefined {
  const base = endpoint ?? amazonIn(region);
  if (base === undefined || SPECIAL.test(bucket)) return undefined;
  const url = new URL(base);
  const isAddress = isIP(url.hostname.replace(/^\[|\]$/g, "")) !== 0 || url.hostname === "localhost";
  // A certificate for *.host holds for one name below it, not for two.
  const hostable = url.protocol === "https:" ? NAME : DOTTED_NAME;
  const isInHost = !pathStyle && !isAddress && hostable.test(bucket);
  if (isInHost) url.hostname = `${bucket}.${url.hostname}`;
  const path = url.pathname.replace(/\/$/, "");
  url.pathname = isInHost ? `${path}/` : `${path}/${encodeURIComponent(bucket)}/`;
  return url;
}

/** The store that a bucket's address leads to, without the bucket. */
export function toEndpoint(url: URL, bucket: string): URL {
  const host = url.hostname.startsWith(`${bucket}.`) ? url.hostname.slice(bucket.length + 1) : url.hostname;
  return new URL(`${url.protocol}//${host}${url.port === "" ? "" : `:${url.port}`}`);
}

/** Amazon's own store in a region of the usual partitions. */
function amazonIn(region: string): string | undefined {
  if (!USUAL.test(region)) return undefined;
  return `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

const USUAL = /^(?:us|us-gov|eu|ap|sa|ca|me|af|il|mx|cn)-[a-z]+-\d{1,2}$/;
/** Directory buckets log in another way; what holds a colon names an access point. */
const SPECIAL = /--x-s3$|--xa-s3$|:/;
const NAME = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
const DOTTED_NAME = /^[a-z0-9][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)*$/;
