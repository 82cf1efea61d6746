/** Parses an option of kind number; returns the fallback if it is absent, or no number from 0 on. */
export function numberOption(text: string | undefined, fallback: number): number {
  const number = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(number) && number >= 0 ? number : fallback;
}
