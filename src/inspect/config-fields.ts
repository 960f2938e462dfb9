/** The configuration space of a device by the names of its fields (virtio 2.5). */
import type { VirtioDevice } from "../virtio/device.ts";

export interface ConfigFieldView {
  readonly name: string;
  readonly offset: number;
  /** Bytes up to the next field: padding behind a field belongs to it. */
  readonly size: number;
  /** As a number if it has the size of one; in any case its bytes. */
  readonly value: bigint | undefined;
  readonly bytes: readonly number[];
}

/** Sizes of numbers; other fields are texts or addresses. */
const NUMBERS: readonly number[] = [1, 2, 4, 8];

/** More of a field is not shown; the longest of the specification has 128. */
const FIELD_BYTES_MAX = 128;

/** @param peek one byte of the configuration space without side effects */
export function viewConfig(device: VirtioDevice, peek: (offset: number) => number) {
  const { size: end } = device.config;
  const fields = Object.entries(device.names?.config ?? {}).filter(([, offset]) => offset < end);
  fields.sort(([, a], [, b]) => a - b);
  return fields.map(([name, offset], index): ConfigFieldView => {
    const size = (fields[index + 1]?.[1] ?? end) - offset;
    const shown = Math.min(size, FIELD_BYTES_MAX);
    const bytes = Array.from({ length: shown }, (_, i) => peek(offset + i));
    const value = NUMBERS.includes(size) ? littleEndian(bytes) : undefined;
    return { name: name.toLowerCase(), offset, size, value, bytes };
  });
}

function littleEndian(bytes: readonly number[]): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
