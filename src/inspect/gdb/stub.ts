/**
 * The machine's end of the GDB remote serial protocol (GDB manual, appendix E), whatever carries its
 * bytes. All-stop: while the machine runs a client waits for it to stop, or interrupts it. Harts are
 * threads, numbered from 1.
 */
import { MAX_BREAKPOINTS, MAX_WATCHPOINTS, type WatchKind } from "../../cpu/debug-points.ts";
import type { HartPort } from "../../cpu/hart-port.ts";
import type { Debugger, StopReason } from "../debugger.ts";
import { readRegister, writeRegister } from "../hart-registers.ts";
import { translationState } from "../hart-state.ts";
import { hexByte } from "../hex.ts";
import { VirtualMemory } from "../virtual-memory.ts";
import { monitor } from "./monitor.ts";
import {
  ACK,
  encodePacket,
  fromHex,
  hexToValue,
  MAX_PAYLOAD_BYTES,
  NACK,
  PacketReader,
  type Received,
  toHex,
  valueToHex,
} from "./packets.ts";
import { GENERAL_REGISTERS, registerOf, TARGET_XML } from "./target.ts";

export interface GdbHost {
  /** To the client. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** The client is done: what carries the bytes is to be closed. */
  close(): void;
  /** The client has ordered the end of the machine. */
  kill(): void;
}

/** `errno` values, which clients show. */
const Errno = { EINVAL: "E16", EFAULT: "E0e", ENOSPC: "E1c" } as const;

/** Bytes of memory in one packet, in hexadecimal. */
const MAX_MEMORY_BYTES = MAX_PAYLOAD_BYTES / 2;

/** Bytes of text in a packet with output for the person: `O` and hexadecimal. */
const MAX_OUTPUT_BYTES = MAX_PAYLOAD_BYTES / 2 - 1;

/** Each place can be named with many lengths: what a client has inserted has a bound of its own. */
const MAX_POINTS = MAX_BREAKPOINTS + MAX_WATCHPOINTS;

const WATCH_KINDS: Readonly<Record<string, WatchKind>> = { 2: "write", 3: "read", 4: "access" };
const WATCH_NAMES: Readonly<Record<WatchKind, string>> = {
  write: "watch",
  read: "rwatch",
  access: "awatch",
};

const FEATURES = [
  `PacketSize=${MAX_PAYLOAD_BYTES.toString(16)}`,
  "QStartNoAckMode+",
  "qXfer:features:read+",
  "vContSupported+",
  "swbreak+",
  "hwbreak+",
].join(";");

/** What a client may begin with: `+`, `-`, `$` and the interrupt. */
const FIRST_BYTES = [0x2b, 0x2d, 0x24, 0x03];

/** SIGINT and SIGTRAP, as clients number signals. */
const Signal = { interrupt: "02", trap: "05" } as const;

type Handler = (args: string) => string | undefined;

/** For a packet that is not supported. */
const UNKNOWN: readonly [prefix: string, handle: Handler] = ["", () => ""];

export class GdbStub {
  readonly #debug: Debugger;
  readonly #host: GdbHost;
  readonly #reader = new PacketReader();
  readonly #stopListening: () => void;
  /** What the client has inserted, by the text of its packet; each function takes it out. */
  readonly #points = new Map<string, () => void>();
  #isAcknowledged = true;
  /** The client waits for the machine to stop. */
  #awaitsStop = false;
  /** It wants that said to be an interrupt. */
  #isInterrupting = false;
  #lastSent: Uint8Array<ArrayBuffer> | undefined;
  #isClosed = false;
  /** It has begun to speak, and the protocol. */
  #isClient = false;
  /** For `g`, `p` and memory. */
  #thread = 1;
  /** Addresses of memory are physical ones, as QEMU's clients can have them. */
  #isPhysical = false;

  /** Somebody has connected. The machine is held, as clients expect, once it turns out to be one. */
  constructor(debug: Debugger, host: GdbHost) {
    this.#debug = debug;
    this.#host = host;
    this.#stopListening = debug.onStop((reason) => this.#stopped(reason));
  }

  receive(bytes: Uint8Array): void {
    // Web pages can reach ports of their computer: a request of a browser does not begin like this.
    if (bytes.length === 0 || this.#isClosed) return;
    if (!this.#isClient && !FIRST_BYTES.includes(bytes[0])) {
      this.#end();
      return;
    }
    if (!this.#isClient) this.#debug.hold();
    this.#isClient = true;
    for (const received of this.#reader.read(bytes)) {
      if (this.#isClosed) return;
      this.#take(received);
    }
  }

  /** The client is gone: what it has inserted goes, and the machine goes on. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    for (const remove of this.#points.values()) remove();
    this.#points.clear();
    if (this.#isClient) this.#debug.release();
  }

  /** The machine has come to its end. */
  exited(code: number): void {
    if (this.#awaitsStop) this.#reply(`W${hexByte(code & 0xff)}`);
    this.#awaitsStop = false;
  }

  #take(received: Received): void {
    switch (received.kind) {
      case "ack":
        return;
      case "nack":
        if (this.#lastSent !== undefined) this.#host.send(this.#lastSent);
        return;
      case "damaged":
        if (this.#isAcknowledged) this.#host.send(NACK);
        return;
      case "interrupt":
        this.#isInterrupting = true;
        this.#debug.hold();
        // One that was held by somebody else meanwhile.
        if (this.#awaitsStop) this.#stopped({ kind: "request" });
        this.#isInterrupting = false;
        return;
      case "packet":
        if (this.#isAcknowledged) this.#host.send(ACK);
        this.#execute(received.payload);
    }
  }

  #reply(payload: string): void {
    this.#lastSent = encodePacket(payload);
    this.#host.send(this.#lastSent);
  }

  #execute(payload: string): void {
    const [prefix, handle] = this.#handlers.find(([start]) => payload.startsWith(start)) ?? UNKNOWN;
    let answer: string | undefined;
    try {
      answer = handle(payload.slice(prefix.length));
    } catch (error) {
      answer = error instanceof RangeError ? Errno.ENOSPC : Errno.EINVAL;
    }
    if (answer !== undefined) this.#reply(answer);
  }

  /** By how a packet begins: the first that fits. What is not here is answered as not supported. */
  readonly #handlers: readonly (readonly [prefix: string, handle: Handler])[] = [
    ["QStartNoAckMode", () => this.#stopAcknowledging()],
    ["qSupported", () => FEATURES],
    ["qXfer:features:read:target.xml:", (args) => slice(TARGET_XML, args)],
    ["qRcmd,", (args) => this.#monitor(args)],
    ["qAttached", () => "1"],
    ["qC", (args) => (args === "" ? `QC${this.#thread.toString(16)}` : "")],
    ["qfThreadInfo", () => `m${this.#harts.map(({ id }) => (id + 1).toString(16)).join()}`],
    ["qsThreadInfo", () => "l"],
    ["qThreadExtraInfo,", (args) => this.#threadInfo(args)],
    ["qSymbol:", () => "OK"],
    ["qqemu.PhyMemMode", () => (this.#isPhysical ? "1" : "0")],
    ["Qqemu.PhyMemMode:", (args) => this.#setPhysical(args === "1")],
    ["vCont?", () => "vCont;c;C;s;S"],
    ["vCont;", (args) => (/^[cCsS]/.test(args) ? this.#resume(/^s/i.test(args)) : Errno.EINVAL)],
    ["vKill", () => this.#killProcess()],
    ["?", () => this.#describe(this.#debug.stop ?? { kind: "request" })],
    ["g", () => this.#readRegisters()],
    ["G", (args) => this.#writeRegisters(args)],
    ["p", (args) => this.#readRegister(args)],
    ["P", (args) => this.#writeRegister(args)],
    ["m", (args) => this.#readMemory(args)],
    ["M", (args) => this.#writeMemory(args, fromHex)],
    ["X", (args) => this.#writeMemory(args, bytesOf)],
    ["Z", (args) => this.#insert(args)],
    ["z", (args) => this.#remove(args)],
    ["c", (args) => this.#goOn(args, false)],
    ["C", (args) => this.#goOn(args.split(";")[1] ?? "", false)],
    ["s", (args) => this.#goOn(args, true)],
    ["S", (args) => this.#goOn(args.split(";")[1] ?? "", true)],
    ["H", (args) => this.#selectThread(args)],
    ["T", (args) => (this.#hartOf(args) === undefined ? Errno.EINVAL : "OK")],
    ["D", () => this.#detach()],
    ["k", () => this.#kill()],
  ];

  #stopAcknowledging(): undefined {
    this.#reply("OK");
    this.#isAcknowledged = false;
  }

  #threadInfo(thread: string): string | undefined {
    const hart = this.#hartOf(thread);
    return hart && toHex(new TextEncoder().encode(`Hart ${hart.id}, ${hart.mode()}-mode`));
  }

  #setPhysical(isPhysical: boolean): string {
    this.#isPhysical = isPhysical;
    return "OK";
  }

  #detach(): undefined {
    this.#reply("OK");
    this.#end();
  }

  #kill(): undefined {
    this.#end();
    this.#host.kill();
  }

  #killProcess(): undefined {
    this.#reply("OK");
    this.#kill();
  }

  #end(): void {
    this.close();
    this.#host.close();
  }

  get #harts(): readonly HartPort[] {
    return this.#debug.machine.harts;
  }

  get #hart(): HartPort {
    return this.#harts[this.#thread - 1];
  }

  /** As the hart sees it now. */
  get #memory(): VirtualMemory {
    const state = translationState(this.#hart);
    // Those of M-mode are physical.
    const seen = this.#isPhysical ? { ...state, mode: "M" as const } : state;
    return new VirtualMemory(this.#debug.machine.memory, seen);
  }

  #hartOf(thread: string): HartPort | undefined {
    return this.#harts.find(({ id }) => id + 1 === Number.parseInt(thread, 16));
  }

  /** `g` and a thread say whose registers are meant: 0 is any, -1 all of them. */
  #selectThread(args: string): string {
    const thread = Number.parseInt(args.slice(1), 16);
    if (thread === 0 || thread === -1) return "OK";
    if (this.#hartOf(args.slice(1)) === undefined) return Errno.EINVAL;
    if (args.startsWith("g")) this.#thread = thread;
    return "OK";
  }

  #goOn(address: string, isStep: boolean): string | undefined {
    const pc = address === "" ? undefined : parseHex(address);
    if (pc !== undefined) writeRegister(this.#hart, { kind: "pc" }, pc);
    return this.#resume(isStep);
  }

  /** The answer comes when the machine has stopped. */
  #resume(isStep: boolean): undefined {
    this.#awaitsStop = true;
    if (isStep) this.#debug.step();
    else this.#debug.release();
  }

  #stopped(reason: StopReason): void {
    if (!this.#awaitsStop) return;
    this.#awaitsStop = false;
    this.#reply(this.#describe(reason));
  }

  #describe(reason: StopReason): string {
    const thread = `thread:${this.#thread.toString(16)};`;
    if (this.#isInterrupting) return `T${Signal.interrupt}${thread}`;
    if (reason.kind === "watchpoint") {
      const name = WATCH_NAMES[reason.watchpoint.kind];
      return `T${Signal.trap}${thread}${name}:${reason.address.toString(16)};`;
    }
    if (reason.kind !== "breakpoint") return `T${Signal.trap}${thread}`;
    const at = reason.address.toString(16);
    const type = [0, 1].find((k) =>
      [...this.#points.keys()].some((p) => p.startsWith(`${k},${at},`)),
    );
    const kind = type === undefined ? "" : type === 0 ? "swbreak:;" : "hwbreak:;";
    return `T${Signal.trap}${thread}${kind}`;
  }

  #readRegisters(): string {
    return GENERAL_REGISTERS.map((register) =>
      valueToHex(readRegister(this.#hart, register) ?? 0n),
    ).join("");
  }

  #writeRegisters(args: string): string {
    const values = GENERAL_REGISTERS.map((_, k) => hexToValue(args.slice(16 * k, 16 * k + 16)));
    if (values.includes(undefined)) return Errno.EINVAL;
    for (const [k, register] of GENERAL_REGISTERS.entries()) {
      writeRegister(this.#hart, register, values[k] ?? 0n);
    }
    return "OK";
  }

  #readRegister(args: string): string {
    const register = registerOf(parseNumber(args));
    const value = register && readRegister(this.#hart, register);
    // This is how a register is said not to be available.
    return value === undefined ? "x".repeat(16) : valueToHex(value);
  }

  #writeRegister(args: string): string {
    const [number, digits = ""] = args.split("=", 2);
    const register = registerOf(parseNumber(number));
    const value = hexToValue(digits);
    if (register === undefined || value === undefined) return Errno.EINVAL;
    return writeRegister(this.#hart, register, value) ? "OK" : Errno.EINVAL;
  }

  #readMemory(args: string): string {
    const [address, length] = args.split(",", 2).map(parseHex);
    if (address === undefined || length === undefined) return Errno.EINVAL;
    const size = Math.min(Number(length), MAX_MEMORY_BYTES);
    const bytes = this.#memory.readUpTo(address, size);
    return bytes.length === 0 && size > 0 ? Errno.EFAULT : toHex(bytes);
  }

  #writeMemory(args: string, decode: (text: string) => Uint8Array | undefined): string {
    const colon = args.indexOf(":");
    const [address, length] = args.slice(0, Math.max(colon, 0)).split(",", 2).map(parseHex);
    const bytes = decode(args.slice(colon + 1));
    if (address === undefined || bytes === undefined) return Errno.EINVAL;
    if (length !== BigInt(bytes.length)) return Errno.EINVAL;
    return this.#memory.write(address, bytes) ? "OK" : Errno.EFAULT;
  }

  /** @throws RangeError if there is no room for it. */
  #insert(args: string): string {
    const key = args.split(";")[0];
    const [type, place = "", size = ""] = key.split(",");
    const [address, length] = [parseHex(place), parseHex(size)];
    if (address === undefined || length === undefined) return Errno.EINVAL;
    // A client may say it twice, after it was told that its packet was damaged.
    if (this.#points.has(key)) return "OK";
    if (this.#points.size >= MAX_POINTS) return Errno.ENOSPC;
    const remove = this.#place(type, address, Number(length));
    if (remove === undefined) return "";
    this.#points.set(key, remove);
    return "OK";
  }

  #place(type: string, address: bigint, length: number): (() => void) | undefined {
    const debug = this.#debug;
    if (type === "0" || type === "1") {
      const claim = () => true;
      debug.claim(address, claim);
      return () => debug.unclaim(address, claim);
    }
    const kind = WATCH_KINDS[type];
    if (kind === undefined) return undefined;
    const id = debug.addWatchpoint(address, length, kind);
    return () => debug.removeWatchpoint(id);
  }

  #remove(args: string): string {
    const key = args.split(";")[0];
    this.#points.get(key)?.();
    this.#points.delete(key);
    return "OK";
  }

  #monitor(args: string): string | undefined {
    const bytes = fromHex(args);
    if (bytes === undefined) return Errno.EINVAL;
    const { text, isEnd } = monitor(this.#debug, new TextDecoder().decode(bytes));
    const output = new TextEncoder().encode(text);
    for (let at = 0; at < output.length; at += MAX_OUTPUT_BYTES) {
      this.#reply(`O${toHex(output.subarray(at, at + MAX_OUTPUT_BYTES))}`);
    }
    return isEnd ? this.#killProcess() : "OK";
  }
}

/** Up to 64 bits in hexadecimal; undefined if it is something else. */
const parseHex = (text: string): bigint | undefined =>
  /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined;

/** A register's number, or -1. */
const parseNumber = (text: string): number =>
  /^[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : -1;

const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

/** The part of an object that `offset,length` asks for: `m` if more follows, `l` if it is the last. */
function slice(object: string, args: string): string {
  const [offset, length] = args.split(",", 2).map(parseHex);
  if (offset === undefined || length === undefined) return Errno.EINVAL;
  const size = Math.min(Number(length), MAX_PAYLOAD_BYTES - 1);
  const part = object.slice(Number(offset), Number(offset) + size);
  return `${Number(offset) + size < object.length ? "m" : "l"}${part}`;
}
