/** Saved machines of the page: their files, and what these say of how the page made them. */
import { LoadError } from "../machine/load-error.ts";
import type { Bytes } from "../machine/saved/gzip.ts";
import { type MachineFile, openMachineFile } from "../machine/saved/saved-machine.ts";
import { type ImageRequest, openImage } from "./images.ts";
import type { BootConfig, DiskConfig, ImageSource, MemoryConfig } from "./protocol.ts";

/** Files of these are as long as a machine's memory at most, and are not kept whole. */
export interface SavedFile {
  readonly file: MachineFile;
  /** How to make the machine anew. */
  readonly config: BootConfig;
}

/** @throws LoadError for anything but a machine that a page has saved */
export async function openSaved(request: ImageRequest): Promise<SavedFile> {
  const { stream, total } = await openImage(request);
  let loaded = 0;
  const pieces = piecesOf(stream, (bytes) => {
    loaded += bytes;
    request.onProgress(loaded, total);
  });
  const file = await openMachineFile(pieces);
  if (isConfig(file.note)) return { file, config: file.note as BootConfig };
  throw new LoadError(
    "The machine was not saved by a page.",
    "Restore it where it was saved: tabvisor run --restore FILE.",
  );
}

/**
 * What a file says of the machine: without files that were picked, which a page cannot find again.
 * @throws LoadError if the machine cannot be made without them
 */
export function noteOf(config: BootConfig): BootConfig {
  const { kernel, initrd, firmware, saved: _, ...rest } = config;
  for (const disk of [rest.disk, rest.pmem]) {
    if (disk?.base?.kind !== "file") continue;
    throw new LoadError(
      `The machine cannot be saved: the image under disk “${disk.name}” is a file that was picked.`,
      "Import it as a disk in the inspector, or give its address.",
    );
  }
  return { ...rest, ...urls({ kernel, initrd, firmware }) };
}

function urls<K extends string>(sources: Record<K, ImageSource | undefined>) {
  const kept = Object.entries<ImageSource | undefined>(sources).filter(
    ([, source]) => source?.kind === "url",
  );
  return Object.fromEntries(kept) as { [key in K]?: ImageSource };
}

async function* piecesOf(
  stream: ReadableStream<Bytes>,
  onRead: (bytes: number) => void,
): AsyncGenerator<Bytes> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onRead(value.length);
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isSwitch: Check = (value) => typeof value === "boolean";
const isList =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

type Checks<K extends string = string> = Readonly<Record<K, Check>>;

/** Has the fields of the first table, perhaps those of the second, and no others. */
const isRecord =
  (required: Checks, optional: Checks = {}): Check =>
  (value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
    const checks = { ...required, ...optional };
    const hasAll = Object.keys(required).every((key) => key in value);
    return (
      hasAll &&
      Object.entries(value).every(
        ([key, field]) => Object.hasOwn(checks, key) && checks[key](field),
      )
    );
  };

/** A source may be any address that the page's own may name. */
const isSource: Check = (value) => {
  const { kind, url } = (value ?? {}) as Partial<Record<string, unknown>>;
  return kind === "url" && typeof url === "string" && /^(https?|data|blob):/.test(url);
};

const isDisk = isRecord({ name: isText }, {
  base: isSource,
  seed: isSource,
  sizeMiB: isNumber,
  readOnly: isSwitch,
  store: (value) => value === "indexeddb",
} satisfies Checks<Exclude<keyof DiskConfig, "name">>);

const isConfig = isRecord({ append: isText, ramMiB: isNumber }, {
  kernel: isSource,
  initrd: isSource,
  firmware: isSource,
  memory: isRecord({}, {
    balloonMiB: isNumber,
    hotplug: isRecord({ mib: isNumber, pluggedMiB: isNumber }),
    daxMiB: isNumber,
  } satisfies Checks<keyof MemoryConfig>),
  disk: isDisk,
  ports: isList(isText),
  vsockCid: isNumber,
  share: (value) => value === "9p",
  pmem: isDisk,
  relay: isText,
  virtio: isList(isText),
  display: isRecord({ width: isNumber, height: isNumber }, { isFitted: isSwitch }),
  sound: isSwitch,
  crypto: isSwitch,
  rtc: isSwitch,
} satisfies Checks<Exclude<keyof BootConfig, "append" | "ramMiB" | "saved">>);
