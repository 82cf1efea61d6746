/** The error record of the previous command in a pipe between processes: reported there, and passed on here. */
export interface UpstreamErrorRecord {
  readonly Type: "Error";
  readonly ExitCode: number;
}

/** Thrown if an error record arrives through the pipe. */
export class UpstreamError extends Error {
  constructor(readonly record: UpstreamErrorRecord) {
    super("the command before this one failed");
  }
}

/** Yields the objects of the previous command; its error ends this command too. */
export async function* passThrough(objects: AsyncIterable<object>): AsyncIterable<object> {
  for await (const object of objects) {
    if (isUpstreamErrorRecord(object)) throw new UpstreamError(object);
    yield object;
  }
}

function isUpstreamErrorRecord(value: object): value is UpstreamErrorRecord {
  return "Type" in value && value.Type === "Error" && "ExitCode" in value && typeof value.ExitCode === "number";
}
