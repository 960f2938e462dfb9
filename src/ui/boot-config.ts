/** Reads what to boot from the page's address. */
// Built into the page, so that no file has to be fetched for it first.
import { append } from "../../public/guest/manifest.json";
import type { BootConfig, DiskConfig, DisplayConfig, ImageSource } from "../worker/protocol.ts";
import { ConfigError, inField } from "./config-error.ts";
import { readLinks } from "./links-config.ts";
import { MAX_RAM_MIB, readMemory, readMib } from "./memory-config.ts";

/** What the embedded guest is built to have in MiB. */
export const DEFAULT_RAM_MIB = 256;

/** Less and a kernel has no room to unpack. */
export const MIN_RAM_MIB = 32;

const DEFAULT_DISPLAY = { width: 1024, height: 768 };

/** What a monitor can say of itself ends there. */
const MIN_DISPLAY = 64;
const MAX_DISPLAY = 4095;

/** As much as a disk in this browser's storage can have: 1 TiB. */
const MAX_DISK_MIB = 2 ** 20;

const DEFAULT_DISK = "default";
const DEFAULT_LAN = "default";

/** The command line that the embedded guest is made for. */
export const DEFAULT_APPEND = append;

/** A LAN's name is a part of the relay's address. */
const LAN_PATTERN = /^[\w.-]{1,64}$/;

/**
 * What the address `page` asks for. `assets` is the address that the embedded guest is relative to.
 * @throws ConfigError
 */
export function readBootConfig(page: URL, assets: URL): BootConfig {
  const query = page.searchParams;
  const image = (name: string): ImageSource | undefined => {
    const value = query.get(name);
    if (value === null || value === "") return undefined;
    return inField(name, () => atUrl(name, value, page));
  };
  if (query.has("restore")) return savedConfig(image("restore"));
  const firmware = image("firmware");
  const givenKernel = image("kernel");
  const givenInitrd = image("initrd");
  // The embedded initramfs belongs to the embedded kernel; another kernel brings its own or none.
  const isEmbedded = givenKernel === undefined && firmware === undefined;
  const kernel = isEmbedded ? embedded("Image.gz", assets) : givenKernel;
  const initrd = givenInitrd ?? (isEmbedded ? embedded("initramfs.cpio.gz", assets) : undefined);
  const wanted = inField("disk", () => readDisk(query.get("disk"), page));
  const store = inField("diskstore", () => readStore(query.get("diskstore")));
  const sizeMiB = inField("disksize", () => readDiskSize(query.get("disksize")));
  // A command line of one's own may want the disk as it is: blank.
  const isUsual = isEmbedded && wanted?.base === undefined && sizeMiB === undefined;
  const isSeeded = isUsual && !query.has("append");
  const disk: DiskConfig | undefined = wanted && {
    ...wanted,
    ...(isSeeded && { seed: embedded("disk.seed.gz", assets) }),
    ...(sizeMiB !== undefined && { sizeMiB }),
    ...(store && { store }),
  };
  const pmem = query.get("pmem")
    ? inField("pmem", () => readDisk(query.get("pmem"), page))
    : undefined;
  const relay = inField("relay", () => readRelay(query, page));
  const display = inField("display", () => readDisplay(query.get("display")));
  const ramMiB = inField("ram", () => readRam(query.get("ram")));
  const virtio = query.getAll("virtio");
  const memory = readMemory(query, ramMiB);
  const share = inField("share", () => readShare(query.get("share")));
  return {
    append: query.get("append") ?? DEFAULT_APPEND,
    ramMiB,
    memory,
    ...(kernel && { kernel }),
    ...(initrd && { initrd }),
    ...(firmware && { firmware }),
    ...(disk && { disk }),
    ...(pmem && { pmem }),
    ...(relay && { relay }),
    ...(virtio.length > 0 && { virtio }),
    ...(share && { share }),
    ...readLinks(query),
    ...(display && { display }),
    ...(isSwitchedOn(query.get("sound")) && { sound: true }),
    ...(isSwitchedOn(query.get("crypto")) && { crypto: true }),
    ...(isSwitchedOn(query.get("rtc")) && { rtc: true }),
  };
}

/** A machine that is as it was saved: what it is made of is in its file. */
export function savedConfig(saved: ImageSource | undefined): BootConfig {
  if (saved === undefined) {
    throw new ConfigError(
      "A machine was saved here.",
      "Open its file to go on with it, or describe another machine in the settings.",
    );
  }
  return { append: "", ramMiB: DEFAULT_RAM_MIB, saved };
}

function embedded(name: string, assets: URL): ImageSource {
  return { kind: "url", url: new URL(`guest/${name}`, assets).href };
}

function atUrl(parameter: string, value: string, page: URL): ImageSource {
  const url = URL.parse(value, page);
  if (url === null || !/^(https?|data|blob):$/.test(url.protocol)) {
    throw new ConfigError(
      `The page's address says ${parameter}=${value}, which is not the address of a file.`,
      "Give an address that starts with https://, or a path on this server.",
    );
  }
  return { kind: "url", url: url.href };
}

/** Reads `ram`, in MiB. */
export function readRam(value: string | null): number {
  if (value === null || value === "") return DEFAULT_RAM_MIB;
  const mib = readMib(value);
  if (!(mib >= MIN_RAM_MIB && mib <= MAX_RAM_MIB)) {
    throw new ConfigError(
      `The machine cannot have ${value} MiB of memory.`,
      `Give ram between ${MIN_RAM_MIB} and ${MAX_RAM_MIB} (MiB), for example ?ram=${DEFAULT_RAM_MIB}.`,
    );
  }
  return mib;
}

/** A parameter that is there, and says neither no nor none. */
export function isSwitchedOn(value: string | null): boolean {
  return value !== null && !/^(0|no|none|off)$/.test(value);
}

/** Undefined for the usual, virtio-fs. */
function readShare(value: string | null): BootConfig["share"] {
  if (value === "9p") return value;
  if (value === null || value === "" || value === "virtiofs") return undefined;
  throw new ConfigError(`Files cannot be shared by ${value}.`, "Give share as virtiofs or 9p.");
}

function readDisplay(value: string | null): DisplayConfig | undefined {
  if (value === null || !isSwitchedOn(value)) return undefined;
  if (value === "fit") return { ...DEFAULT_DISPLAY, isFitted: true };
  if (!value.includes("x")) return DEFAULT_DISPLAY;
  const [, width, height] = /^(\d+)x(\d+)$/.exec(value) ?? [];
  const isPossible = (pixels: string | undefined) =>
    Number(pixels) >= MIN_DISPLAY && Number(pixels) <= MAX_DISPLAY;
  if (!isPossible(width) || !isPossible(height)) {
    throw new ConfigError(
      `The machine cannot have a display of ${value} pixels.`,
      `Give width and height between ${MIN_DISPLAY} and ${MAX_DISPLAY}, for example ?display=1024x768.`,
    );
  }
  return { width: Number(width), height: Number(height) };
}

/** Capacity of a disk that does not exist yet, in MiB. */
function readDiskSize(value: string | null): number | undefined {
  if (value === null || value === "") return undefined;
  const mib = readMib(value);
  if (mib >= 1 && mib <= MAX_DISK_MIB) return mib;
  throw new ConfigError(
    `A disk cannot have ${value} MiB.`,
    `Give disksize between 1 and ${MAX_DISK_MIB} (MiB), for example ?disksize=4096.`,
  );
}

/** Where a disk that does not exist yet is kept. */
function readStore(value: string | null): DiskConfig["store"] {
  if (value === "indexeddb") return value;
  if (value === null || value === "" || value === "files") return undefined;
  throw new ConfigError(
    `A disk cannot be kept in “${value}”.`,
    "Give diskstore=files or diskstore=indexeddb.",
  );
}

function readDisk(value: string | null, page: URL): DiskConfig | undefined {
  if (value === "none") return undefined;
  if (value === null || value === "") return { name: DEFAULT_DISK };
  if (!value.includes("/")) return { name: value };
  const base = atUrl("disk", value, page);
  return { name: diskNameOf(value.split(/[?#]/)[0], value), base };
}

/** The name of the disk that keeps the changes to an image: readable, and its own for each image. */
export function diskNameOf(path: string, identity: string): string {
  const last = path
    .split("/")
    .at(-1)!
    .replaceAll(/[^\w.-]/g, "_");
  return `${last.slice(-60) || "disk"}@${hashOf(identity)}`.replace(/^\W/, "_");
}

/** 32-bit FNV-1a: a clash would only be refused, since a disk records its whole base. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}

function readRelay(query: URLSearchParams, page: URL): string | undefined {
  const relay = query.get("relay");
  const lan = query.get("lan");
  if (relay === "none" || lan === "none") return undefined;
  if (lan !== null && !LAN_PATTERN.test(lan)) {
    throw new ConfigError(
      `“${lan}” cannot be the name of a LAN.`,
      "Use up to 64 letters, digits, dots, dashes and underscores.",
      "lan",
    );
  }
  if (relay === null || relay === "") {
    if (!/^https?:$/.test(page.protocol)) return undefined;
    return socketUrl(new URL(`/lan/${lan ?? DEFAULT_LAN}`, page.origin));
  }
  const url = URL.parse(relay.includes("://") ? relay : `wss://${relay}`);
  if (url === null || !/^(wss?|https?):$/.test(url.protocol)) {
    throw new ConfigError(
      `The page's address says relay=${relay}, which is not the address of a relay.`,
      "Give an address that starts with wss:// or ws://.",
    );
  }
  // A relay of another make may have one LAN at its own address; a named LAN is this project's way.
  if (lan !== null) url.pathname = `${url.pathname.replace(/\/$/, "")}/lan/${lan}`;
  return socketUrl(url);
}

function socketUrl(url: URL): string {
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  return url.href.replace(/^[a-z]+:/, secure ? "wss:" : "ws:");
}
