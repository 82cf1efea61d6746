/** What the net says of a connection that cannot be had, as a sentence's end that says what to look at; undefined for every other error. */
export function netWords(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? WORDS[String(error.code)] : undefined;
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host is known; check the name",
  EAI_AGAIN: "the name cannot be looked up right now",
  ECONNREFUSED: "nothing listens there; check host and port, and whether the server runs",
  ECONNRESET: "the server broke the connection off",
  EPIPE: "the server broke the connection off",
  ETIMEDOUT: "no answer",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
};
