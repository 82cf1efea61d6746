import { openS3 } from "../../../lib/backends/s3/mod.ts";
import type { Backend } from "../../../lib/core/backend.ts";
import { s3Target } from "../targets/s3_target.ts";

/** A request as the small server sees it: "GET /bucket/key", its query, its headers. */
export interface RecordedRequest {
  readonly line: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Of the other end of its connection. */
  readonly port: number;
}

/** A server that answers as a test says, for what a real store does too seldom. */
export interface SmallS3 extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
  /** The bucket "b", opened there. */
  open(options?: Readonly<Record<string, string>>): Promise<Backend>;
}

/** Starts it on 127.0.0.1. What `answer` leaves open is an empty listing for GET /b/, and 404 for everything else. */
export function startSmallS3(
  answer: (asked: RecordedRequest) => Response | undefined | Promise<Response | undefined>,
): SmallS3 {
  const asked: RecordedRequest[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request, { remoteAddr }) => {
    await request.body?.pipeTo(new WritableStream()).catch(() => undefined);
    const { pathname, searchParams: query } = new URL(request.url);
    const one = { line: `${request.method} ${pathname}`, query, headers: request.headers, port: remoteAddr.port };
    asked.push(one);
    return await answer(one) ?? (one.line === "GET /b/" ? listResponse() : errorResponse(404, "NoSuchKey"));
  });
  const { port } = server.addr;
  return {
    port,
    requests: asked,
    open: (options = {}) =>
      openS3(s3Target({ port, accessKey: "AK", secretKey: "SK" }, { bucket: "b", options }), {
        signal: new AbortController().signal,
      }),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A refusal with an error code, as stores word it. */
export function errorResponse(status: number, code: string, headers: Record<string, string> = {}): Response {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message><RequestId>1</RequestId></Error>`;
  return new Response(body, { status, headers: { "content-type": "application/xml", ...headers } });
}

/** A page of keys, each of one byte; with `more` that text is said of what follows. */
export function listResponse(keys: readonly string[] = [], more = "<IsTruncated>false</IsTruncated>"): Response {
  const objects = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`);
  const body = `<ListBucketResult><Name>b</Name>${more}${objects.join("")}</ListBucketResult>`;
  return new Response(body, { headers: { "content-type": "application/xml" } });
}
