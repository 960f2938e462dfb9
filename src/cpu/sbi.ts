/**
 * The monitor's own Supervisor Binary Interface, for kernels that are started without firmware.
 *
 * RISC-V SBI Specification 2.0: BASE, TIME, IPI, RFENCE, HSM, SRST and DBCN, and of the legacy calls
 * those that old kernels use before they look for newer ones.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";
import { type EcallHandler, type HartPort, Interrupt } from "./hart-port.ts";

const SPEC_VERSION = 0x0200_0000n;
/** "tbvs"; the specification's list has no entry for this implementation. */
const IMPLEMENTATION_ID = 0x7462_7673n;
const IMPLEMENTATION_VERSION = 1n;

/** SBI error codes (3.1). */
export const SbiError = {
  success: 0n,
  failed: -1n,
  notSupported: -2n,
  invalidParam: -3n,
  denied: -4n,
  invalidAddress: -5n,
  alreadyAvailable: -6n,
} as const;

export const SbiExtension = {
  legacySetTimer: 0x00,
  legacyPutchar: 0x01,
  legacyGetchar: 0x02,
  legacyShutdown: 0x08,
  base: 0x10,
  time: 0x5449_4d45,
  ipi: 0x73_5049,
  rfence: 0x5246_4e43,
  hsm: 0x48_534d,
  reset: 0x5352_5354,
  debugConsole: 0x4442_434e,
} as const;

const IMPLEMENTED: readonly number[] = Object.values(SbiExtension);

/** HSM hart states (9). */
const HartState = { started: 0n, stopped: 1n } as const;

/** Suspend types (9.4): the default ones, of which the retentive one keeps all state. */
const Suspend = { retentive: 0n, nonRetentive: 0x8000_0000n } as const;

/** An argument of 32 bits: the calling convention has its top bit repeated above it, signed or not. */
const word = (value: bigint): bigint => BigInt.asUintN(32, value);

/**
 * Bytes that one DBCN call moves at most. The guest may name all of RAM; a partial transfer is
 * allowed, and this much is far above what a driver sends at once.
 */
export const MAX_CONSOLE_TRANSFER = 64 * 1024;

/** A hart mask covers this many harts from its base. */
const MASK_BITS = 64n;
const ALL_HARTS = 0xffff_ffff_ffff_ffffn;

export interface SbiOptions {
  /** Filled before the first call; the index is the hart id. */
  readonly harts: readonly HartPort[];
  readonly memory: GuestMemory;
  readonly output: (bytes: Uint8Array) => void;
  /** Up to `maximum` bytes of console input; empty if there is none. */
  readonly input: (maximum: number) => Uint8Array;
  /** The guest asked to be powered off or restarted; `failed` if it gave that as the reason. */
  readonly reset: (kind: "poweroff" | "reboot", failed: boolean) => void;
}

interface Answer {
  readonly error: bigint;
  readonly value: bigint;
}

const answer = (error: bigint, value = 0n): Answer => ({ error, value });
const ok = (value = 0n): Answer => answer(SbiError.success, value);
const NOT_SUPPORTED = answer(SbiError.notSupported);
const INVALID_PARAM = answer(SbiError.invalidParam);

export class Sbi implements EcallHandler {
  readonly #options: SbiOptions;
  readonly #stopped = new Set<number>();

  constructor(options: SbiOptions) {
    this.#options = options;
  }

  /** Whether the hart has instructions to run, in the terms of HSM. */
  isStarted(hart: number): boolean {
    return !this.#stopped.has(hart);
  }

  /** All harts but the boot hart wait to be started. */
  reset(bootHart: number): void {
    this.#stopped.clear();
    for (const { id } of this.#options.harts) {
      if (id !== bootHart) this.#stopped.add(id);
    }
  }

  ecall(hart: HartPort): void {
    const extension = Number(hart.getX(17));
    if (this.#legacy(hart, extension)) return;
    const { error, value } = this.#call(hart, extension, Number(hart.getX(16)));
    hart.setX(10, BigInt.asUintN(64, error));
    hart.setX(11, value);
  }

  /** The calls before version 0.2 (5): the result is in a0 alone. */
  #legacy(hart: HartPort, extension: number): boolean {
    switch (extension) {
      case SbiExtension.legacySetTimer:
        hart.setTimer(hart.getX(10));
        break;
      case SbiExtension.legacyPutchar:
        this.#options.output(Uint8Array.of(Number(hart.getX(10) & 0xffn)));
        break;
      case SbiExtension.legacyGetchar: {
        const byte = this.#options.input(1)[0];
        hart.setX(10, byte === undefined ? BigInt.asUintN(64, -1n) : BigInt(byte));
        return true;
      }
      case SbiExtension.legacyShutdown:
        this.#shutDown(hart, "poweroff", false);
        return true;
      default:
        return false;
    }
    hart.setX(10, 0n);
    return true;
  }

  #call(hart: HartPort, extension: number, fn: number): Answer {
    switch (extension) {
      case SbiExtension.base:
        return base(hart, fn);
      case SbiExtension.time:
        if (fn !== 0) return NOT_SUPPORTED;
        hart.setTimer(hart.getX(10));
        return ok();
      case SbiExtension.ipi:
        if (fn !== 0) return NOT_SUPPORTED;
        return this.#forHarts(hart.getX(10), hart.getX(11), (target) => {
          target.setInterrupt(Interrupt.supervisorSoftware, true);
        });
      case SbiExtension.rfence:
        return this.#rfence(hart, fn);
      case SbiExtension.hsm:
        return this.#hsm(hart, fn);
      case SbiExtension.reset:
        return fn === 0 ? this.#systemReset(hart) : NOT_SUPPORTED;
      case SbiExtension.debugConsole:
        return this.#console(hart, fn);
      default:
        return NOT_SUPPORTED;
    }
  }

  /** Calls `action` for a hart mask (3.2). Nothing happens if the mask names a hart that is not. */
  #forHarts(mask: bigint, first: bigint, action: (target: HartPort) => void): Answer {
    const { harts } = this.#options;
    if (first === ALL_HARTS) {
      harts.forEach(action);
      return ok();
    }
    const targets: HartPort[] = [];
    for (let bit = 0n; bit < MASK_BITS; bit++) {
      if (((mask >> bit) & 1n) === 0n) continue;
      const target = harts[Number(first + bit)];
      if (target === undefined) return INVALID_PARAM;
      targets.push(target);
    }
    targets.forEach(action);
    return ok();
  }

  /** Ranges and address spaces are not told apart: a fence may always drop more than it must. */
  #rfence(hart: HartPort, fn: number): Answer {
    const mask = hart.getX(10);
    const first = hart.getX(11);
    switch (fn) {
      case 0:
        return this.#forHarts(mask, first, (target) => target.flushCode());
      case 1:
      case 2:
        return this.#forHarts(mask, first, (target) => target.flushTlb());
      default:
        // The others fence a hypervisor's second translation stage.
        return NOT_SUPPORTED;
    }
  }

  #hsm(hart: HartPort, fn: number): Answer {
    switch (fn) {
      case 0:
        return this.#startHart(hart);
      case 1:
        this.#stopped.add(hart.id);
        hart.requestStop();
        return ok();
      case 2: {
        const target = this.#options.harts[Number(hart.getX(10))];
        if (target === undefined) return INVALID_PARAM;
        return ok(this.isStarted(target.id) ? HartState.started : HartState.stopped);
      }
      case 3:
        return suspend(word(hart.getX(10)));
      default:
        return NOT_SUPPORTED;
    }
  }

  #startHart(hart: HartPort): Answer {
    const target = this.#options.harts[Number(hart.getX(10))];
    if (target === undefined) return INVALID_PARAM;
    if (this.isStarted(target.id)) return answer(SbiError.alreadyAvailable);
    const pc = Number(hart.getX(11));
    if (!this.#options.memory.contains(pc, 2)) return answer(SbiError.invalidAddress);
    const opaque = hart.getX(12);
    target.reset({ pc, mode: "S", a0: target.id, a1: 0 });
    target.setX(11, opaque);
    this.#stopped.delete(target.id);
    return ok();
  }

  #systemReset(hart: HartPort): Answer {
    const type = word(hart.getX(10));
    const reason = word(hart.getX(11));
    const SHUTDOWN = 0n;
    const WARM_REBOOT = 2n;
    const SYSTEM_FAILURE = 1n;
    // Types and reasons from 0xf0000000 are for vendors; between the two everything is reserved.
    if (type > WARM_REBOOT) return type >= 0xf000_0000n ? NOT_SUPPORTED : INVALID_PARAM;
    if (reason > SYSTEM_FAILURE && reason < 0xe000_0000n) return INVALID_PARAM;
    this.#shutDown(hart, type === SHUTDOWN ? "poweroff" : "reboot", reason === SYSTEM_FAILURE);
    return ok();
  }

  #shutDown(hart: HartPort, kind: "poweroff" | "reboot", failed: boolean): void {
    hart.requestStop();
    this.#options.reset(kind, failed);
  }

  #console(hart: HartPort, fn: number): Answer {
    const { memory, output, input } = this.#options;
    switch (fn) {
      case 0: {
        const view = consoleBuffer(hart, memory);
        if (view === undefined) return INVALID_PARAM;
        // A copy: the guest may change its buffer before the host is done with the bytes.
        output(view.slice());
        return ok(BigInt(view.length));
      }
      case 1: {
        const view = consoleBuffer(hart, memory);
        if (view === undefined) return INVALID_PARAM;
        const bytes = input(view.length);
        memory.write(Number(hart.getX(11)), bytes);
        return ok(BigInt(bytes.length));
      }
      case 2:
        output(Uint8Array.of(Number(hart.getX(10) & 0xffn)));
        return ok();
      default:
        return NOT_SUPPORTED;
    }
  }
}

function suspend(type: bigint): Answer {
  // Waking at once is allowed ("platform-specific wake-up"); kernels idle with WFI instead.
  if (type === Suspend.retentive) return ok();
  return type === Suspend.nonRetentive ? NOT_SUPPORTED : INVALID_PARAM;
}

function base(hart: HartPort, fn: number): Answer {
  switch (fn) {
    case 0:
      return ok(SPEC_VERSION);
    case 1:
      return ok(IMPLEMENTATION_ID);
    case 2:
      return ok(IMPLEMENTATION_VERSION);
    case 3: {
      const probed = hart.getX(10);
      return ok(IMPLEMENTED.some((extension) => BigInt(extension) === probed) ? 1n : 0n);
    }
    case 4:
    case 5:
    case 6:
      // mvendorid, marchid and mimpid have consecutive numbers.
      return ok(hart.peekCsr(0xf11 + fn - 4) ?? 0n);
    default:
      return NOT_SUPPORTED;
  }
}

/** The guest's buffer, cut to one transfer, or undefined unless all of it is RAM. */
function consoleBuffer(hart: HartPort, memory: GuestMemory): Uint8Array | undefined {
  const length = Number(hart.getX(10));
  const address = Number(hart.getX(11));
  // The third argument is the upper half of an address wider than a register.
  if (hart.getX(12) !== 0n || !memory.contains(address, length)) return undefined;
  return memory.view(address, Math.min(length, MAX_CONSOLE_TRANSFER));
}
