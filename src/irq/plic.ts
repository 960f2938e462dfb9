/**
 * The platform-level interrupt controller (PLIC 1.0.0, `sifive,plic-1.0.0`) as a register face over
 * the distributor. Context 2h is hart h in M-mode, context 2h + 1 is hart h in S-mode.
 */
import type { AccessSize, MmioHandler } from "../bus/bus.ts";
import { type Distributor, SPI_BASE, SPI_COUNT } from "./distributor.ts";

/** Bytes of the register window. Never larger, or it would cover the virtio slots. */
export const PLIC_SIZE = 0x60_0000;

/** Greatest priority and threshold: three bits, which firmware relies on to mask with 7. */
const PLIC_PRIORITY_MAX = 7;

/** Register offsets of PLIC 1.0.0, chapter 3. */
const PENDING = 0x1000;
const ENABLE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT = 0x20_0000;
const CONTEXT_STRIDE = 0x1000;
const THRESHOLD = 0;
const CLAIM = 4;

export class Plic implements MmioHandler {
  readonly name = "plic";
  readonly #distributor: Distributor;

  /** The distributor has the `complete` handshake and one target per context. */
  constructor(distributor: Distributor) {
    this.#distributor = distributor;
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= CONTEXT && size === 4) {
      const context = this.#context(offset);
      if (context >= 0 && offset % CONTEXT_STRIDE === CLAIM) {
        return sourceOf(this.#distributor.claim(context));
      }
    }
    return this.peek(offset, size);
  }

  /** The claim register shows what a claim would return, without taking it. */
  peek(offset: number, size: AccessSize): number {
    if (size !== 4 || offset % 4 !== 0) return 0;
    if (offset < PENDING) return this.#distributor.priority(SPI_BASE + offset / 4);
    if (offset < ENABLE) return this.#distributor.pendingWord((offset - PENDING) / 4);
    if (offset < CONTEXT) {
      const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
      if (context >= this.#distributor.targets) return 0;
      return this.#distributor.enabledWord(context, (offset % ENABLE_STRIDE) / 4);
    }
    const context = this.#context(offset);
    if (context < 0) return 0;
    const register = offset % CONTEXT_STRIDE;
    if (register === THRESHOLD) return this.#distributor.threshold(context);
    return register === CLAIM ? sourceOf(this.#distributor.top(context)) : 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || offset % 4 !== 0) return;
    if (offset < PENDING) {
      const source = offset / 4;
      if (source < 1 || source > SPI_COUNT) return;
      this.#distributor.setPriority(SPI_BASE + source, value & PLIC_PRIORITY_MAX);
    } else if (offset >= ENABLE && offset < CONTEXT) {
      const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
      if (context >= this.#distributor.targets) return;
      this.#distributor.setEnabledWord(context, (offset % ENABLE_STRIDE) / 4, value);
    } else if (offset >= CONTEXT) {
      const context = this.#context(offset);
      if (context < 0) return;
      const register = offset % CONTEXT_STRIDE;
      if (register === THRESHOLD) {
        this.#distributor.setThreshold(context, value & PLIC_PRIORITY_MAX);
      } else if (register === CLAIM) {
        this.#distributor.complete(context, SPI_BASE + value);
      }
    }
  }

  #context(offset: number): number {
    const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    return context < this.#distributor.targets ? context : -1;
  }
}

function sourceOf(intid: number): number {
  return intid === 0 ? 0 : intid - SPI_BASE;
}
