import http from "node:http";
import https from "node:https";
import { setTimeout as wait } from "node:timers/promises";

/** A request as the small server saw it. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** What it answers; a text is a multistatus. */
export type Answers = (asked: RecordedRequest) => Answer | Promise<Answer>;

/** The answer to one request. */
export type Answer = string | {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
  /** ms until it answers, as a server that is far away. */
  readonly after?: number;
};

/** A scripted WebDAV server on 127.0.0.1, for odd and hostile answers. */
export interface SmallDav extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
}

/** Starts it; with `tls` it shows the certificate below. */
export async function startSmallDav(answers: Answers, options: { readonly tls?: boolean } = {}): Promise<SmallDav> {
  const asked: RecordedRequest[] = [];
  const handle = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    let body = "";
    for await (const part of request) body += String(part);
    const one = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body };
    asked.push(one);
    const answer = await answers(one);
    const { status, headers = {}, body: text = "", after = 0 } = typeof answer === "string"
      ? { status: 207, body: answer }
      : answer;
    if (after > 0) await wait(after);
    response.writeHead(
      status,
      { "content-length": new TextEncoder().encode(text).length, ...headers } as http.OutgoingHttpHeaders,
    );
    response.end(text);
  };
  const listener = (request: http.IncomingMessage, response: http.ServerResponse) =>
    void handle(request, response).catch(() => response.destroy());
  const server = options.tls === true
    ? https.createServer({ cert: testCertificate.cert, key: testCertificate.key }, listener)
    : http.createServer(listener);
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    requests: asked,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** A multistatus of these responses: href, and the properties of a file or folder. */
export function multistatus(...entries: readonly (readonly [href: string, props: string])[]): string {
  const responses = entries.map(([href, props]) =>
    `<D:response><D:href>${href}</D:href><D:propstat><D:prop>${props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`
  );
  return `<D:multistatus xmlns:D="DAV:" xmlns:O="http://owncloud.org/ns">${responses.join("")}</D:multistatus>`;
}

export const folderProps = "<D:resourcetype><D:collection/></D:resourcetype>";

/** The properties of a file. */
export function fileProps(size: number, more = ""): string {
  return `<D:resourcetype/><D:getcontentlength>${size}</D:getcontentlength>${more}`;
}

/** Made for tests alone, for 127.0.0.1. */
export const testCertificate = {
  fingerprint: "BF:53:1A:6E:83:A6:F6:35:3A:80:70:52:A2:5E:88:D3:CE:FD:22:76:F1:45:57:BC:7B:CA:92:22:D4:9A:4D:D0",
  cert: `-----BEGIN CERTIFICATE-----
MIIBlDCCATqgAwIBAgIUBBYsWtOfHTO6+0IgL2y9zMr9lsowCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLdGFuZGVtLnRlc3QwIBcNMjYxMTIyMDgxNzA5WhgPMjEyNjEw
MjkwODE3MDlaMBYxFDASBgNVBAMMC3RhbmRlbS50ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEfw0cZ0mCiDm5wnlJR1vMi9kiSeUqNnoXib5GClNdtR9lMZqY
PAHGC52QPv3fwzR3ZPIhR1qfR7uGfg5hnOMG36NkMGIwHQYDVR0OBBYEFBvHM0Ui
yMvFi06q+cQvi4fzJLy1MB8GA1UdIwQYMBaAFBvHM0UiyMvFi06q+cQvi4fzJLy1
MA8GA1UdEwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAKBggqhkjOPQQDAgNI
ADBFAiEAhL2wK56p70NIoF1PCvidT1jjORYCtYmIeCFjwXpZQRgCIB725SaMoiyG
nU1UGnq4MLmztso/Zq3hMh5lW3FsWyWD
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPPfpYZuyewPMFot3
cyWdjPfbe8HwhnhGmaBN7mIqwUqhRANCAAR/DRxnSYKIObnCeUlHW8yL2SJJ5So2
eheJvkYKU121H2Uxmpg8AcYLnZA+/d/DNHdk8iFHWp9Hu4Z+DmGc4wbf
-----END PRIVATE KEY-----
`,
};
