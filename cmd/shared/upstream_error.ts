/** The error record of the previous command in a pipe between processes: reported there, and passed on here. */
export interface StageError {
  readonly Type: "Error";
  readonly ExitCode: number;
}

/** Thrown if an error record arrives through the pipe. */
export class PassedOn extends Error {
  constructor(readonly record: StageError) {
    super("the command before this one failed");
  }
}

/** Yields the objects of the previous command; its error ends this command too. */
export async function* passing(objects: AsyncIterable<object>): AsyncIterable<object> {
  for await (const object of objects) {
    if (isStageError(object)) throw new PassedOn(object);
    yield object;
  }
}

function isStageError(value: object): value is StageError {
  return "Type" in value && value.Type === "Error" && "ExitCode" in value && typeof value.ExitCode === "number";
}
