/** What a number of the guest's may stand for: an open file or an open directory. */
import type { HostFile } from "./host-tree.ts";
import type { DirectoryListing } from "./listing.ts";

export interface Opened {
  readonly file?: HostFile;
  readonly listing?: DirectoryListing;
}

/** Closes without waiting, and whatever happens: nobody is left to hear of an error. */
export function abandon({ file, listing }: Opened): void {
  listing?.close();
  try {
    void Promise.resolve(file?.close()).catch(() => {});
  } catch {}
}
