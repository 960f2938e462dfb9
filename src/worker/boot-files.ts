/** Fetches the files that a machine boots from, at once and with progress. */
import { type DiskSeed, parseSeed } from "../host/disk-seed.ts";
import type { BaseImage } from "../host/guest-disk.ts";
import { type BaseImageError, blobBase, openHttpBase } from "../host/http-base.ts";
import { loadImage } from "./images.ts";
import type { BootConfig, ImageName, ImageSource } from "./protocol.ts";
import type { Services } from "./services.ts";

export interface BootFiles {
  readonly kernel: Uint8Array | undefined;
  readonly initrd: Uint8Array | undefined;
  readonly firmware: Uint8Array | undefined;
}

/** How often the page hears of one image's progress, in ms: as often as it can show it. */
const PROGRESS_MS = 30;

/**
 * Starts all downloads; the first failure ends the others, and so does `cancel`.
 * @throws LoadError
 */
export async function fetchBootFiles(
  config: BootConfig,
  services: Services,
  cancel: AbortSignal,
): Promise<BootFiles> {
  const ending = new AbortController();
  cancel.addEventListener("abort", () => ending.abort());
  const load = (name: ImageName, source: ImageSource | undefined) =>
    source &&
    loadImage({
      name,
      source,
      fetch: services.fetch,
      signal: ending.signal,
      onProgress: reporter(name, services),
    });
  try {
    const [kernel, initrd, firmware] = await Promise.all([
      load("kernel", config.kernel),
      load("initramfs", config.initrd),
      load("firmware", config.firmware),
    ]);
    return { kernel, initrd, firmware };
  } catch (error) {
    ending.abort();
    throw error;
  }
}

/** Opens the image under a disk, of which only what is read is fetched. @throws BaseImageError */
export async function openBase(
  source: ImageSource,
  { fetch }: Pick<Services, "fetch">,
  onTrouble: (error: BaseImageError | undefined) => void,
): Promise<BaseImage> {
  if (source.kind === "url") return openHttpBase(source.url, fetch, { onTrouble });
  const { name, size, lastModified } = source.file;
  return blobBase(source.file, `${name} ${size} ${lastModified}`);
}

/** Fetches what a new disk begins with. @throws LoadError, RangeError */
export async function loadSeed(source: ImageSource, { fetch }: Services): Promise<DiskSeed> {
  const { signal } = new AbortController();
  return parseSeed(
    await loadImage({ name: "disk image", source, fetch, signal, onProgress: () => {} }),
  );
}

export function reporter(image: ImageName, { post, clock }: Services) {
  let next = 0;
  return (loaded: number, total: number | undefined): void => {
    const now = clock.nowMs();
    if (now < next && loaded !== total) return;
    next = now + PROGRESS_MS;
    post({ type: "progress", image, loaded, total });
  };
}
