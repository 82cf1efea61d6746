import { encodePath } from "./href.ts";
import type { DavClient, PathContext } from "./client.ts";
import type { DavResponse } from "./multistatus.ts";

/** Whether the server reports a file without a size, as some do for empty ones. */
export function isWithoutSize({ status, props }: DavResponse): boolean {
  const isSuccess = status === undefined || Math.floor(status / 100) === 2;
  return isSuccess && props.known && !props.isFolder && props.length === undefined;
}

/**
 * Returns the response with the size that a GET shows. A missing size is never taken for zero: an empty file would
 * replace the other side's.
 */
export async function withMeasuredSize(
  client: DavClient,
  target: PathContext,
  davResponse: DavResponse,
): Promise<DavResponse> {
  const size = await measure(client, target);
  return size === undefined ? davResponse : { ...davResponse, props: { ...davResponse.props, length: String(size) } };
}

async function measure({ http }: DavClient, target: PathContext): Promise<number | undefined> {
  const response = await http.send({ method: "GET", uri: encodePath(target.serverPath) }, target);
  const { status, headers } = response;
  const length = headers["content-length"];
  if (status !== 200 || (length === undefined && headers["transfer-encoding"] === undefined)) {
    // A reply that ends with its connection may have been cut.
    response.abandon();
    return undefined;
  }
  if (length !== undefined && Number(length) > 0) {
    response.abandon();
    return Number(length);
  }
  if (await response.read(new Uint8Array(1)) === undefined) return 0;
  response.abandon();
  return undefined;
}
