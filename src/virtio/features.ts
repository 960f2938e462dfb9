/** Feature negotiation: up to 128 bits in words of 32 (virtio 2.2, 4.2.2). */
import type { FeatureDependency } from "./device.ts";
import { bit, bits, Feature } from "./spec.ts";

/** Four words are all that the specification has names for; the selector reaches further. */
const WORDS = 4;

/** Offered for every device. */
const BASIC = bits(
  Feature.INDIRECT_DESC,
  Feature.EVENT_IDX,
  Feature.VERSION_1,
  Feature.NOTIFICATION_DATA,
  Feature.RING_RESET,
);

/** Of other transports, or for machines with an IOMMU or weakly ordered devices (6, 4.2). */
const NEVER = bits(
  Feature.ACCESS_PLATFORM,
  Feature.ORDER_PLATFORM,
  Feature.SR_IOV,
  Feature.NOTIF_CONFIG_DATA,
  Feature.ADMIN_VQ,
);

/** What one slot offers beside or instead of the usual. */
export interface FeatureChoice {
  /** Offer packed rings beside split ones; default no. */
  readonly packed?: boolean;
  /** Offer to use buffers in the order in which they were made available; default no. */
  readonly inOrder?: boolean;
  /** Features not to offer, of the transport or the device. VERSION_1 always is (6.1). */
  readonly withhold?: readonly number[];
}

/** What to offer for a device; nothing without a feature that it depends on (2.2.2). */
export function offeredFeatures(
  features: bigint,
  dependencies: readonly FeatureDependency[] = [],
  choice: FeatureChoice = {},
): bigint {
  let offered = BASIC | features;
  if (choice.packed) offered |= bit(Feature.RING_PACKED);
  if (choice.inOrder) offered |= bit(Feature.IN_ORDER);
  offered &= ~(bits(...(choice.withhold ?? [])) | NEVER);
  offered |= bit(Feature.VERSION_1);
  // One that goes may take others with it, in any order of the table.
  for (let before = 0n; before !== offered; ) {
    before = offered;
    for (const { feature, anyOf } of dependencies) {
      if ((offered & bits(...anyOf)) === 0n) offered &= ~bit(feature);
    }
  }
  return offered;
}

export class FeatureNegotiation {
  readonly offered: bigint;
  readonly #dependencies: readonly FeatureDependency[];
  readonly #offeredWords: Uint32Array;
  readonly #driverWords = new Uint32Array(WORDS);

  constructor(offered: bigint, dependencies: readonly FeatureDependency[] = []) {
    this.offered = offered;
    this.#dependencies = dependencies;
    this.#offeredWords = Uint32Array.from({ length: WORDS }, (_, word) =>
      Number(BigInt.asUintN(32, offered >> BigInt(32 * word))),
    );
  }

  /** DeviceFeatures for a selector; 0 past the last word. */
  offeredWord(selector: number): number {
    return this.#offeredWords[selector] ?? 0;
  }

  /** DriverFeatures: replaces the word. Nothing can be accepted past the last one. */
  setDriverWord(selector: number, value: number): void {
    if (selector < WORDS) this.#driverWords[selector] = value;
  }

  /** What the driver has written so far. */
  get driver(): bigint {
    return this.#driverWords.reduceRight((set, word) => (set << 32n) | BigInt(word), 0n);
  }

  /** Whether the driver has chosen `feature`; cheap enough for every kick. */
  has(feature: number): boolean {
    return ((this.#driverWords[feature >>> 5] >>> (feature & 31)) & 1) !== 0;
  }

  /**
   * Why the driver's choice cannot be accepted, or undefined (2.2.2). VERSION_1 is offered but not
   * insisted on: some teaching kernels never set it and work.
   */
  refusal(): string | undefined {
    const driver = this.driver;
    const unknown = driver & ~this.offered;
    if (unknown !== 0n) return `features 0x${unknown.toString(16)} were not offered`;
    for (const { feature, anyOf } of this.#dependencies) {
      if ((driver & bit(feature)) !== 0n && (driver & bits(...anyOf)) === 0n) {
        return `feature ${feature} needs feature ${anyOf.join(" or ")}`;
      }
    }
    return undefined;
  }

  reset(): void {
    this.#driverWords.fill(0);
  }

  load(driver: bigint): void {
    for (let word = 0; word < WORDS; word++) {
      this.#driverWords[word] = Number(BigInt.asUintN(32, driver >> BigInt(32 * word)));
    }
  }
}
