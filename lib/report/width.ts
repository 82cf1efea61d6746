/** A function that returns the columns of a text without control characters at a terminal. */
export type MeasureWidth = (text: string) => number;

/**
 * Returns a width that is never too small: a non-ASCII code point counts as two columns. Used until loadWidth() has
 * resolved.
 */
export function roughWidth(text: string): number {
  if (isAscii(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += character > "\u007e" ? 2 : 1;
  return columns;
}

/**
 * Loads the exact measure: wide, combining and joined characters. Loaded when first needed, because it would double the
 * program's start time.
 */
export async function loadWidth(): Promise<MeasureWidth> {
  const { default: width } = await import("npm:string-width@9.0.0");
  return (text) => width(text);
}

/** Whether every character is ASCII, and so one column wide. */
export function isAscii(text: string): boolean {
  return !/[^\u0020-\u007e]/.test(text);
}
