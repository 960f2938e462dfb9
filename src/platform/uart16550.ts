/**
 * A 16550A serial port with 8-bit registers at consecutive addresses.
 *
 * Semantics follow the PC16550D data sheet. Transmission takes no time, so the transmitter is always
 * empty. Received bytes wait in a bounded host queue until the 16-byte FIFO has room: the host is
 * told how many it may hand over, and no byte is lost to an overrun.
 */
import type { AccessSize, MmioHandler } from "../bus/bus.ts";
import type { IrqLine } from "../irq/irq-line.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { DeviceNode } from "./device-node.ts";

/** Input clock in Hz: 115200 baud is a divisor of 2. Only what a driver prints depends on it. */
const UART_CLOCK_HZ = 3_686_400;

const FIFO_DEPTH = 16;

/** Bytes of host input that may wait: a generous paste; beyond it the host has to hold back. */
export const MAX_PENDING_INPUT = 64 * 1024;

const Register = {
  data: 0,
  ier: 1,
  iirFcr: 2,
  lcr: 3,
  mcr: 4,
  lsr: 5,
  msr: 6,
  scratch: 7,
} as const;

const Ier = { received: 1, transmit: 2, lineStatus: 4, modemStatus: 8 } as const;

/** Interrupt identification, highest priority first (data sheet, table IV). */
const Iir = {
  lineStatus: 0x06,
  received: 0x04,
  timeout: 0x0c,
  transmit: 0x02,
  modemStatus: 0x00,
  none: 0x01,
  fifosEnabled: 0xc0,
} as const;

const Fcr = { enable: 1, clearReceiver: 2 } as const;
/** Bytes at which "received data" takes over from "character timeout", by FCR bits 7:6. */
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

const Lcr = { divisorLatch: 0x80 } as const;

const Mcr = { dtr: 1, rts: 2, out1: 4, out2: 8, loopback: 0x10, mask: 0x1f } as const;

const Lsr = { dataReady: 1, overrun: 2, holdingEmpty: 0x20, transmitterEmpty: 0x40 } as const;

const Msr = { cts: 0x10, dsr: 0x20, ri: 0x40, dcd: 0x80, deltas: 0x0f } as const;

export interface UartOptions {
  readonly irq: IrqLine;
  /** A byte that the guest transmitted. */
  readonly output: (byte: number) => void;
  /** The guest read some input after `input` had refused bytes: there is room again. */
  readonly inputSpace?: () => void;
}

/** Structured-clonable state, version 1: the registers, and what was typed and has not been read. */
export interface UartState {
  readonly version: 1;
  readonly fifo: readonly number[];
  readonly pending: Uint8Array;
  readonly ier: number;
  readonly lcr: number;
  readonly mcr: number;
  readonly scratch: number;
  readonly divisor: number;
  readonly fifosEnabled: boolean;
  readonly trigger: number;
  readonly overrun: boolean;
  readonly modemDeltas: number;
  readonly transmitEvent: boolean;
}

export class Uart16550 implements MmioHandler {
  readonly name = "uart";
  readonly node: DeviceNode = {
    name: "serial",
    properties: { compatible: "ns16550a", "clock-frequency": [UART_CLOCK_HZ] },
  };

  readonly #irq: IrqLine;
  readonly #output: (byte: number) => void;
  readonly #inputSpace: () => void;
  readonly #fifo: number[] = [];
  readonly #pending = new ByteQueue(MAX_PENDING_INPUT);
  #refused = false;
  #ier = 0;
  #lcr = 0;
  #mcr = 0;
  #scratch = 0;
  #divisor = 0;
  #fifosEnabled = false;
  #trigger: number = TRIGGER_LEVELS[0];
  #overrun = false;
  #modemDeltas = 0;
  /** The transmit interrupt is an event: raised when the holding register empties, cleared by IIR. */
  #transmitEvent = false;

  constructor(options: UartOptions) {
    this.#irq = options.irq;
    this.#output = options.output;
    this.#inputSpace = options.inputSpace ?? (() => {});
  }

  /**
   * Hands host input to the guest.
   * @returns how many of the bytes, from the first, were taken; `inputSpace` tells when to go on.
   */
  input(bytes: Uint8Array): number {
    const taken = this.#pending.put(bytes);
    if (taken < bytes.length) this.#refused = true;
    this.#fillFifo();
    this.#updateIrq();
    return taken;
  }

  /** Power-on state; input that the guest has not read is dropped. */
  reset(): void {
    this.#fifo.length = 0;
    this.#pending.clear();
    this.#ier = 0;
    this.#lcr = 0;
    this.#mcr = 0;
    this.#scratch = 0;
    this.#divisor = 0;
    this.#fifosEnabled = false;
    this.#trigger = TRIGGER_LEVELS[0];
    this.#overrun = false;
    this.#modemDeltas = 0;
    this.#transmitEvent = false;
    this.#updateIrq();
    this.#announceSpace();
  }

  save(): UartState {
    return {
      version: 1,
      fifo: [...this.#fifo],
      pending: this.#pending.toBytes(),
      ier: this.#ier,
      lcr: this.#lcr,
      mcr: this.#mcr,
      scratch: this.#scratch,
      divisor: this.#divisor,
      fifosEnabled: this.#fifosEnabled,
      trigger: this.#trigger,
      overrun: this.#overrun,
      modemDeltas: this.#modemDeltas,
      transmitEvent: this.#transmitEvent,
    };
  }

  load(state: UartState): void {
    this.#fifo.length = 0;
    this.#pending.clear();
    this.#ier = state.ier;
    this.#lcr = state.lcr;
    this.#mcr = state.mcr;
    this.#scratch = state.scratch;
    this.#divisor = state.divisor;
    this.#fifosEnabled = state.fifosEnabled;
    this.#trigger = state.trigger;
    this.#overrun = state.overrun;
    this.#modemDeltas = state.modemDeltas;
    this.#transmitEvent = state.transmitEvent;
    this.#fifo.push(...state.fifo.slice(0, this.#depth()));
    this.#pending.put(state.pending);
    this.#updateIrq();
  }

  read(offset: number, size: AccessSize): number {
    if (size !== 1) return 0;
    const value = this.peek(offset);
    switch (offset) {
      case Register.data:
        if (!this.#divisorLatch()) this.#takeByte();
        break;
      case Register.iirFcr:
        if (this.#cause() === Iir.transmit) this.#transmitEvent = false;
        break;
      case Register.lsr:
        this.#overrun = false;
        break;
      case Register.msr:
        this.#modemDeltas = 0;
        break;
    }
    this.#updateIrq();
    return value;
  }

  peek(offset: number): number {
    switch (offset) {
      case Register.data:
        return this.#divisorLatch() ? this.#divisor & 0xff : (this.#fifo[0] ?? 0);
      case Register.ier:
        return this.#divisorLatch() ? this.#divisor >> 8 : this.#ier;
      case Register.iirFcr:
        return this.#cause() | (this.#fifosEnabled ? Iir.fifosEnabled : 0);
      case Register.lcr:
        return this.#lcr;
      case Register.mcr:
        return this.#mcr;
      case Register.lsr:
        return this.#lineStatus();
      case Register.msr:
        return this.#modemInputs() | this.#modemDeltas;
      case Register.scratch:
        return this.#scratch;
      default:
        return 0;
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 1) return;
    switch (offset) {
      case Register.data:
        if (this.#divisorLatch()) this.#divisor = (this.#divisor & 0xff00) | value;
        else this.#transmit(value);
        break;
      case Register.ier:
        if (this.#divisorLatch()) this.#divisor = (this.#divisor & 0xff) | (value << 8);
        else this.#setIer(value);
        break;
      case Register.iirFcr:
        this.#setFcr(value);
        break;
      case Register.lcr:
        this.#lcr = value;
        break;
      case Register.mcr:
        this.#setMcr(value);
        break;
      case Register.scratch:
        this.#scratch = value;
        break;
    }
    this.#updateIrq();
  }

  #divisorLatch(): boolean {
    return (this.#lcr & Lcr.divisorLatch) !== 0;
  }

  #loopback(): boolean {
    return (this.#mcr & Mcr.loopback) !== 0;
  }

  #depth(): number {
    return this.#fifosEnabled ? FIFO_DEPTH : 1;
  }

  #transmit(byte: number): void {
    if (!this.#loopback()) {
      this.#output(byte);
    } else if (this.#fifo.length < this.#depth()) {
      this.#fifo.push(byte);
    } else {
      this.#overrun = true;
    }
    this.#transmitEvent = true;
  }

  #setIer(value: number): void {
    const enabled = value & ~this.#ier;
    this.#ier = value & 0x0f;
    // Enabling the interrupt while the holding register is empty raises it; drivers start with that.
    if ((enabled & Ier.transmit) !== 0) this.#transmitEvent = true;
  }

  #setFcr(value: number): void {
    const enable = (value & Fcr.enable) !== 0;
    if (enable !== this.#fifosEnabled || (value & Fcr.clearReceiver) !== 0) {
      // Only what is in the FIFO is cleared: bytes in the host queue have not arrived yet.
      this.#fifo.length = 0;
    }
    this.#fifosEnabled = enable;
    this.#trigger = enable ? TRIGGER_LEVELS[value >> 6] : TRIGGER_LEVELS[0];
    this.#fillFifo();
  }

  #setMcr(value: number): void {
    const before = this.#modemInputs();
    this.#mcr = value & Mcr.mask;
    const after = this.#modemInputs();
    const changed = before ^ after;
    // The delta bit of the ring indicator records its falling edge only (data sheet, 8.7).
    const ringEnded = (before & Msr.ri & ~after) >> 4;
    this.#modemDeltas |= ((changed & ~Msr.ri) >> 4) | ringEnded;
    this.#fillFifo();
  }

  /** Outside loopback the other end is always there; in loopback it is the modem control outputs. */
  #modemInputs(): number {
    if (!this.#loopback()) return Msr.cts | Msr.dsr | Msr.dcd;
    const m = this.#mcr;
    return (
      ((m & Mcr.rts) !== 0 ? Msr.cts : 0) |
      ((m & Mcr.dtr) !== 0 ? Msr.dsr : 0) |
      ((m & Mcr.out1) !== 0 ? Msr.ri : 0) |
      ((m & Mcr.out2) !== 0 ? Msr.dcd : 0)
    );
  }

  #lineStatus(): number {
    return (
      Lsr.holdingEmpty |
      Lsr.transmitterEmpty |
      (this.#fifo.length > 0 ? Lsr.dataReady : 0) |
      (this.#overrun ? Lsr.overrun : 0)
    );
  }

  #takeByte(): void {
    this.#fifo.shift();
    this.#fillFifo();
  }

  /** Moves host input into the FIFO; loopback disconnects the receiver from the outside. */
  #fillFifo(): void {
    if (this.#loopback()) return;
    this.#fifo.push(...this.#pending.take(this.#depth() - this.#fifo.length));
    if (this.#pending.length <= MAX_PENDING_INPUT / 2) this.#announceSpace();
  }

  #announceSpace(): void {
    if (!this.#refused) return;
    this.#refused = false;
    this.#inputSpace();
  }

  #cause(): number {
    const ier = this.#ier;
    if ((ier & Ier.lineStatus) !== 0 && this.#overrun) return Iir.lineStatus;
    if ((ier & Ier.received) !== 0 && this.#fifo.length > 0) {
      // Below the trigger level a real part reports a timeout after four idle character times.
      return this.#fifo.length >= this.#trigger ? Iir.received : Iir.timeout;
    }
    if ((ier & Ier.transmit) !== 0 && this.#transmitEvent) return Iir.transmit;
    if ((ier & Ier.modemStatus) !== 0 && this.#modemDeltas !== 0) return Iir.modemStatus;
    return Iir.none;
  }

  #updateIrq(): void {
    this.#irq.setLevel(this.#cause() !== Iir.none);
  }
}
