/** Gives the person a file. */

/** By then the browser has begun to read what it was given, in ms. */
const BEGUN_MS = 60_000;

/** The browser asks, or not, where to put it. */
export function saveBlob(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), BEGUN_MS);
}
