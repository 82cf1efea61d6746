/** Columns that a text without control characters takes at a terminal. */
export type Measure = (text: string) => number;

/** Never too small: what is not ASCII counts as two columns a code point. Good enough until loadWidth() is there. */
export function roughWidth(text: string): number {
  if (isAscii(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += character > "\u007e" ? 2 : 1;
  return columns;
}

/** The exact measure: wide, combining and joined characters. Loaded when first needed, it would double the program's start. */
export async function loadWidth(): Promise<Measure> {
  const { default: width } = await import("npm:string-width@9.0.0");
  return (text) => width(text);
}

/** Is every character one column wide without asking? */
export function isAscii(text: string): boolean {
  return !/[^\u0020-\u007e]/.test(text);
}
