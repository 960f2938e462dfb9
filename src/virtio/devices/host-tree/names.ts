/** Names as the guest sends them: bytes, which become text or an error. */
import { HostError } from "./errno.ts";
import { LINK_TARGET_MAX, NAME_MAX } from "./host-tree.ts";

/** Bytes of UTF-8 that one unit of UTF-16 has at most. */
const UTF8_MAX = 3;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** @throws HostError EILSEQ for what is not UTF-8, which not every host could store. */
function decode(bytes: Uint8Array): string {
  try {
    // A copy, because decoders refuse memory that is shared.
    return decoder.decode(bytes.slice());
  } catch {
    throw new HostError("EILSEQ");
  }
}

/** One component of a path. @throws HostError */
export function parseName(bytes: Uint8Array): string {
  if (bytes.length > NAME_MAX) throw new HostError("ENAMETOOLONG");
  if (bytes.includes(0) || bytes.includes(0x2f)) throw new HostError("EINVAL");
  const name = decode(bytes);
  if (name === "" || name === "." || name === "..") throw new HostError("EINVAL");
  return name;
}

/** The target of a symbolic link, which may be anything but empty. @throws HostError */
export function parseLinkTarget(bytes: Uint8Array): string {
  if (bytes.length > LINK_TARGET_MAX) throw new HostError("ENAMETOOLONG");
  if (bytes.length === 0 || bytes.includes(0)) throw new HostError("EINVAL");
  return decode(bytes);
}

/** The name of an extended attribute. @throws HostError */
export function parseXattrName(bytes: Uint8Array): string {
  if (bytes.length === 0 || bytes.length > NAME_MAX) throw new HostError("ERANGE");
  if (bytes.includes(0)) throw new HostError("EINVAL");
  return decode(bytes);
}

/** Whether a name that the host has can be shown to the guest, and then be asked for. */
export function isShareable(name: string): boolean {
  if (name === "" || name === "." || name === "..") return false;
  // A lone surrogate has no UTF-8.
  if (/[/\0\p{Surrogate}]/u.test(name)) return false;
  return name.length <= NAME_MAX / UTF8_MAX || encodeText(name).length <= NAME_MAX;
}

export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** The tag by which a guest mounts a share. @throws RangeError if it is empty or too long */
export function encodeTag(tag: string, maxBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = encodeText(tag);
  if (bytes.length === 0 || bytes.length > maxBytes || bytes.includes(0)) {
    throw new RangeError(`a tag has 1 to ${maxBytes} bytes: ${tag}`);
  }
  return bytes;
}
