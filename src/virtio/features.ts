/** Feature negotiation: up to 128 bits in words of 32 (virtio 2.2, 4.2.2). */
import type { FeatureDependency } from "./device.ts";
import { bit } from "./spec.ts";

/** Four words are all that the specification has names for; the selector reaches further. */
const WORDS = 4;

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
      const needed = anyOf.reduce((set, other) => set | bit(other), 0n);
      if ((driver & bit(feature)) !== 0n && (driver & needed) === 0n) {
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
