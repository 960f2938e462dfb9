/** Gives the person a file. */

/** The browser asks, or not, where to put it. */
export function saveBlob(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun to read by the time that other tasks run.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
