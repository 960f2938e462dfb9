/** The Linux that comes with the project. */
import { readFile } from "node:fs/promises";
import { LoadError } from "../src/machine/load-error.ts";
import { readImage } from "./files.ts";

const FOLDER = new URL("../public/guest/", import.meta.url);

/** The parts of `manifest.json` that booting needs. */
interface Manifest {
  readonly kernel: { readonly file: string };
  readonly initramfs: { readonly file: string };
  readonly append: string;
}

export interface GuestFiles {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly append: string;
}

/** @throws LoadError if the guest has not been built. */
export async function readEmbeddedGuest(folder = FOLDER): Promise<GuestFiles> {
  const text = await readFile(new URL("manifest.json", folder), "utf8").catch(() => {
    throw new LoadError(
      "The embedded guest is not in public/guest.",
      "Build it with guest/build, or give a kernel with --kernel.",
    );
  });
  const manifest = JSON.parse(text) as Manifest;
  const [kernel, initrd] = await Promise.all([
    readImage("kernel", new URL(manifest.kernel.file, folder)),
    readImage("initramfs", new URL(manifest.initramfs.file, folder)),
  ]);
  return { kernel, initrd, append: manifest.append };
}
