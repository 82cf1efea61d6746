/** The error record of the command before this one in a pipe between processes: said there, and passed on here. */
export interface StageError {
  readonly Type: "Error";
  readonly ExitCode: number;
}

/** Thrown where an error record comes through the pipe. */
export class PassedOn extends Error {
  constructor(readonly record: StageError) {
    super("the command before this one failed");
  }
}

/** Objects of the command before this one; its error ends this one too. */
export async function* passing(objects: AsyncIterable<object>): AsyncIterable<object> {
  for await (const object of objects) {
    if (isStageError(object)) throw new PassedOn(object);
    yield object;
  }
}

function isStageError(value: object): value is StageError {
  return "Type" in value && value.Type === "Error" && "ExitCode" in value && typeof value.ExitCode === "number";
}
