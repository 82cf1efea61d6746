import { type OperationContext, operationError, type ResolvedPath } from "../../lib/core/operation.ts";
import type { RelPath } from "../../lib/core/path.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../../lib/http/client.ts";
import { toSyncError } from "./errors.ts";

/** A request about one entry. `query`: "stat", "list", "dir" or nothing for the content; `also`: statuses that are no error. */
export interface EntryRequest extends Pick<HttpRequest, "body" | "headers"> {
  readonly method: "GET" | "PUT" | "DELETE";
  readonly query?: string;
  readonly also?: readonly number[];
}

/** A client of one server; each request carries the password. Redirects are not followed. */
export class ExampleClient {
  readonly #http: HttpClient;
  readonly #authorization: string | undefined;

  constructor(http: HttpClient, password: string | undefined) {
    this.#http = http;
    this.#authorization = password === undefined ? undefined : `Bearer ${password}`;
  }

  get isClosed(): boolean {
    return this.#http.isClosed;
  }

  /** Sends one request. Rejects with the error of its status unless that is a success or in `also`. */
  async send({ method, query, also, headers, body }: EntryRequest, target: ResolvedPath): Promise<HttpResponse> {
    const path = target.serverPath.split("/").map(encodeURIComponent).join("/");
    const response = await this.#http.send({
      method,
      uri: query === undefined ? path : `${path}?${query}`,
      headers: { ...headers, ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }) },
      ...(body === undefined ? {} : { body }),
    }, target);
    if (Math.floor(response.status / 100) === 2 || also?.includes(response.status)) return response;
    await response.discard();
    throw toSyncError(target, response);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

/** Returns the JSON of a response. Rejects with unexpected if it is none, or longer than the largest listing. */
export async function readJson(response: HttpResponse, context: OperationContext): Promise<unknown> {
  const text = new TextDecoder().decode(await response.readAll(MAX_REPLY));
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed(context, cause);
  }
}

/** Returns the error of a response that does not have the form that the protocol gives it. */
export function malformed(context: OperationContext, cause?: unknown): Error {
  return operationError(context, "unexpected", { why: "the server's response cannot be understood", cause });
}

/** Joins the server's path of a folder and a path below it. */
export function toServerPath(folder: string, path: RelPath): string {
  return path === "" ? folder : `${folder === "/" ? "" : folder}/${path}`;
}

const MAX_REPLY = 16 << 20;
