import { beforeEach, describe, expect, it } from "vitest";
import { MAX_PENDING_INPUT, Uart16550 } from "./uart16550.ts";

const THR_EMPTY = 0x60;

let sent: number[];
let level: boolean;
let spaces: number;
let uart: Uart16550;

const bytes = (text: string) => new TextEncoder().encode(text);
const get = (register: number) => uart.read(register, 1);
const set = (register: number, value: number) => uart.write(register, 1, value);

beforeEach(() => {
  sent = [];
  level = false;
  spaces = 0;
  uart = new Uart16550({
    irq: { pulse: () => {}, setLevel: (high) => (level = high) },
    output: (byte) => sent.push(byte),
    inputSpace: () => spaces++,
  });
});

describe("registers", () => {
  it("power on with an empty transmitter and no interrupt", () => {
    expect([get(1), get(2), get(3), get(4), get(5), get(7)]).toEqual([0, 1, 0, 0, THR_EMPTY, 0]);
  });

  it("keeps scratch, line control and the divisor behind DLAB", () => {
    set(7, 0xa5);
    set(3, 0x83);
    set(0, 0x34);
    set(1, 0x12);
    expect([get(0), get(1), get(7)]).toEqual([0x34, 0x12, 0xa5]);
    set(3, 0x03);
    expect([get(0), get(1), get(3)]).toEqual([0, 0, 3]);
    expect(sent).toEqual([]);
  });

  it("shows enabled FIFOs in IIR and only five bits of MCR", () => {
    set(2, 1);
    expect(get(2)).toBe(0xc1);
    set(4, 0xef);
    expect(get(4)).toBe(0x0f);
  });

  it("ignores accesses that are not a byte wide", () => {
    uart.write(0, 4, 0x41);
    expect(sent).toEqual([]);
    expect(uart.read(5, 4)).toBe(0);
  });
});

describe("transmission", () => {
  it("hands every byte to the host", () => {
    for (const byte of bytes("ok")) set(0, byte);
    expect(sent).toEqual([...bytes("ok")]);
  });

  it("raises the transmit interrupt when it is enabled, and again after each byte", () => {
    set(1, 2);
    expect(level).toBe(true);
    expect(get(2)).toBe(2);
    expect(level).toBe(false);
    set(0, 0x41);
    expect(level).toBe(true);
    expect(get(2)).toBe(2);
    expect(get(2)).toBe(1);
  });
});

describe("reception", () => {
  it("delivers bytes in order and shows data ready", () => {
    set(2, 1);
    expect(uart.input(bytes("hi"))).toBe(2);
    expect(get(5)).toBe(THR_EMPTY | 1);
    expect([get(0), get(0)]).toEqual([...bytes("hi")]);
    expect(get(5)).toBe(THR_EMPTY);
  });

  it("interrupts with a timeout below the trigger level and with data at it", () => {
    set(2, 0x41);
    set(1, 1);
    uart.input(bytes("abc"));
    expect(get(2)).toBe(0xcc);
    uart.input(bytes("d"));
    expect(get(2)).toBe(0xc4);
    expect(level).toBe(true);
    for (let i = 0; i < 4; i++) get(0);
    expect(level).toBe(false);
  });

  it("refills one byte at a time without FIFOs", () => {
    uart.input(bytes("xyz"));
    expect([get(0), get(0), get(0), get(0)]).toEqual([...bytes("xyz"), 0]);
  });

  it("clears only what has arrived when the receiver is cleared", () => {
    set(2, 1);
    uart.input(bytes("0123456789abcdefREST"));
    set(2, 3);
    expect(get(0)).toBe(bytes("R")[0]);
  });

  it("takes no more than its bound and announces space once half of it is free", () => {
    expect(uart.input(new Uint8Array(MAX_PENDING_INPUT + 100))).toBe(MAX_PENDING_INPUT);
    // One byte of the bound moved into the FIFO at once.
    expect(uart.input(new Uint8Array(2))).toBe(1);
    expect(spaces).toBe(0);
    for (let i = 0; i < MAX_PENDING_INPUT; i++) get(0);
    expect(spaces).toBe(1);
  });

  it("does not change anything on peek", () => {
    uart.input(bytes("q"));
    expect(uart.peek(0)).toBe(bytes("q")[0]);
    expect(uart.peek(0)).toBe(bytes("q")[0]);
    expect(get(0)).toBe(bytes("q")[0]);
  });
});

describe("loopback", () => {
  it("receives what it sends, cut off from the outside", () => {
    set(2, 1);
    set(4, 0x10);
    uart.input(bytes("z"));
    set(0, 0x55);
    expect(sent).toEqual([]);
    expect(get(0)).toBe(0x55);
    expect(get(5) & 1).toBe(0);
    set(4, 0);
    expect(get(0)).toBe(bytes("z")[0]);
  });

  it("reports an overrun once, with an interrupt", () => {
    set(4, 0x10);
    set(1, 4);
    set(0, 1);
    set(0, 2);
    expect(level).toBe(true);
    expect(get(2)).toBe(6);
    expect(get(5)).toBe(THR_EMPTY | 3);
    expect(get(5)).toBe(THR_EMPTY | 1);
    expect(level).toBe(false);
    expect(get(0)).toBe(1);
  });

  it("turns the modem outputs into inputs, as drivers probe", () => {
    set(4, 0x10 | 0x0a);
    expect(get(6) & 0xf0).toBe(0x90);
    set(1, 8);
    set(4, 0x10 | 0x04);
    expect(get(2)).toBe(0);
    expect(get(6)).toBe(0x40 | 0x09);
    set(4, 0x10);
    expect(get(6)).toBe(0x04);
  });
});

it("reset drops input and interrupts, and frees a host that waits", () => {
  uart.input(new Uint8Array(MAX_PENDING_INPUT + 100));
  set(1, 3);
  uart.reset();
  expect(level).toBe(false);
  expect(get(5)).toBe(THR_EMPTY);
  expect(spaces).toBe(1);
});

it("is saved with its registers and what was typed", () => {
  set(3, 0x80);
  set(0, 0x34);
  set(1, 0x12);
  set(3, 0x03);
  set(7, 0xa5);
  set(2, 0x81);
  set(1, 0x05);
  uart.input(bytes("typed ahead of a FIFO with sixteen places"));
  expect(get(0)).toBe(0x74);
  const state = structuredClone(uart.save());
  const registers = [1, 2, 3, 4, 5, 6, 7].map((register) => uart.peek(register));
  level = false;
  uart = new Uart16550({
    irq: { pulse: () => {}, setLevel: (high) => (level = high) },
    output: (byte) => sent.push(byte),
  });
  uart.input(bytes("lost"));
  uart.load(state);
  expect(level).toBe(true);
  expect([1, 2, 3, 4, 5, 6, 7].map((register) => uart.peek(register))).toEqual(registers);
  let rest = "";
  while ((get(5) & 1) !== 0) rest += String.fromCharCode(get(0));
  expect(rest).toBe("yped ahead of a FIFO with sixteen places");
  set(3, 0x83);
  expect([get(0), get(1)]).toEqual([0x34, 0x12]);
});
