/**
 * Plain values as JSON and bytes: objects, arrays, strings, finite numbers, bigints, booleans, null,
 * undefined and arrays of bytes. Bytes are kept behind the JSON, which names their places.
 */

/** In the JSON an object with this one key stands for what JSON has not. */
const TAG = "$";

const Kind = {
  UNDEFINED: "undefined",
  BIGINT: "bigint",
  BYTES: "bytes",
  CLAMPED: "clamped",
} as const;

export interface EncodedValue {
  readonly json: string;
  /** One after the other, behind the JSON; copies. */
  readonly blobs: readonly Uint8Array<ArrayBuffer>[];
}

/** @throws TypeError for anything else, such as a function */
export function encodeValue(value: unknown): EncodedValue {
  const encoder = new Encoder();
  return { json: JSON.stringify(encoder.encode(value)), blobs: encoder.blobs };
}

class Encoder {
  readonly blobs: Uint8Array<ArrayBuffer>[] = [];
  #length = 0;

  encode(value: unknown): unknown {
    switch (typeof value) {
      case "undefined":
        return tagged(Kind.UNDEFINED);
      case "bigint":
        return tagged(Kind.BIGINT, value.toString());
      case "boolean":
      case "string":
        return value;
      case "number":
        if (Number.isFinite(value)) return value;
        break;
      case "object":
        return value === null ? null : this.#encodeObject(value);
    }
    throw new TypeError(`${String(value)} cannot be saved`);
  }

  #encodeObject(value: object): unknown {
    if (value instanceof Uint8Array) return this.#encodeBytes(Kind.BYTES, value);
    if (value instanceof Uint8ClampedArray) return this.#encodeBytes(Kind.CLAMPED, value);
    if (Array.isArray(value)) return value.map((item) => this.encode(item));
    if (Object.getPrototypeOf(value) !== Object.prototype || TAG in value) {
      throw new TypeError("an object that is not plain cannot be saved");
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.encode(item)]));
  }

  #encodeBytes(kind: string, bytes: Uint8Array | Uint8ClampedArray): unknown {
    const at = this.#length;
    this.blobs.push(new Uint8Array(bytes));
    this.#length += bytes.length;
    return tagged(kind, at, bytes.length);
  }
}

function tagged(...content: readonly (string | number)[]): unknown {
  return { [TAG]: content };
}

/** @throws Error for what `encodeValue` has not made */
export function decodeValue(json: string, blobs: Uint8Array): unknown {
  return JSON.parse(json, (_key, value: unknown) => {
    if (value === null || typeof value !== "object" || !(TAG in value)) return value;
    return untagged(value[TAG] as readonly unknown[], blobs);
  });
}

function untagged([kind, ...content]: readonly unknown[], blobs: Uint8Array): unknown {
  switch (kind) {
    case Kind.UNDEFINED:
      return undefined;
    case Kind.BIGINT:
      return BigInt(content[0] as string);
    case Kind.BYTES:
      return bytesAt(blobs, content);
    case Kind.CLAMPED:
      return new Uint8ClampedArray(bytesAt(blobs, content));
    default:
      throw new TypeError("a value of an unknown kind");
  }
}

function bytesAt(blobs: Uint8Array, [at, length]: readonly unknown[]): Uint8Array<ArrayBuffer> {
  const isThere =
    Number.isInteger(at) &&
    Number.isInteger(length) &&
    (at as number) >= 0 &&
    (length as number) >= 0 &&
    (at as number) + (length as number) <= blobs.length;
  if (!isThere) throw new RangeError("bytes that are not there");
  return new Uint8Array(blobs.subarray(at as number, (at as number) + (length as number)));
}
