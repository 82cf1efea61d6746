/** Parses an option of kind number; returns the fallback if it is absent, or no number from 0 on. */
export function numberOption(text: string | undefined, fallback: number): number {
  const number = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(number) && number >= 0 ? number : fallback;
}

/**
 * Returns the longest wait in ms for the first byte of a listing: -Timeout if it is given, otherwise five minutes. Servers
 * read large folders to their end before they answer, gateways ask another store (rclone waits as long). "ListingTime" is for tests.
 */
export function listingTimeout(options: Readonly<Record<string, string>>): number {
  return numberOption(options["ListingTime"], numberOption(options["Timeout"], LISTING_MS));
}

const LISTING_MS = 300_000;
