/** Reads the files that a machine boots from. */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { isGzip } from "../src/host/unpack.ts";
import { LoadError } from "../src/machine/load-error.ts";

/** The most that a file may unpack to: more than this cannot fit in any machine's RAM. */
const MAX_UNPACKED_BYTES = 2 ** 31;

/** A file's bytes, unpacked if it is a gzip file. @throws LoadError */
export async function readImage(what: string, path: string | URL): Promise<Uint8Array> {
  const file = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new LoadError(`The ${what} cannot be read (${error.message}).`, "Check its name.");
  });
  if (!isGzip(file)) return file;
  try {
    return gunzipSync(file, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    throw new LoadError(
      `The ${what} cannot be unpacked (${(error as Error).message}).`,
      "Fetch it again.",
    );
  }
}
