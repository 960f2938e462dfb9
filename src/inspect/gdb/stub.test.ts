import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { Machine } from "../../machine/machine.ts";
import { Debugger } from "../debugger.ts";
import { AT, COUNTER, KERNEL, loopingMachine, untilHeld } from "../testing/looping-machine.ts";
import {
  encodePacket,
  fromHex,
  MAX_PAYLOAD_BYTES,
  PacketReader,
  toHex,
  valueToHex,
} from "./packets.ts";
import { GdbStub } from "./stub.ts";

/** A client that has what it was sent read by the same reader. */
class Client {
  readonly stub: GdbStub;
  isClosed = false;
  isKilled = false;
  acks = 0;
  readonly #reader = new PacketReader();
  readonly #answers: string[] = [];

  constructor(machine: Machine) {
    this.stub = new GdbStub(Debugger.of(machine), {
      send: (bytes) => this.#take(bytes),
      close: () => {
        this.isClosed = true;
      },
      kill: () => {
        this.isKilled = true;
      },
    });
  }

  #take(bytes: Uint8Array): void {
    for (const received of this.#reader.read(bytes)) {
      if (received.kind === "ack") this.acks++;
      if (received.kind === "packet") this.#answers.push(received.payload);
    }
  }

  /** Everything that was answered to a packet so far. */
  ask(payload: string): string[] {
    this.stub.receive(encodePacket(payload));
    return this.answers();
  }

  answers(): string[] {
    return this.#answers.splice(0);
  }
}

const hex = (value: number) => value.toString(16);

let machine: Machine;
let client: Client;

beforeEach(() => {
  machine = loopingMachine();
  client = new Client(machine);
});

describe("a client", () => {
  it("finds the machine held", () => {
    expect(machine.hold.isActive).toBe(false);
    expect(client.ask("?")).toEqual(["T05thread:1;"]);
    expect(machine.hold.isActive).toBe(true);
    expect(client.ask("qSupported:swbreak+")[0]).toContain("PacketSize=4000");
    expect(client.ask("vMustReplyEmpty")).toEqual([""]);
    expect(client.ask("qC")).toEqual(["QC1"]);
    expect(client.ask("qCRC:0,1")).toEqual([""]);
    expect([...client.ask("qfThreadInfo"), ...client.ask("qsThreadInfo")]).toEqual(["m1", "l"]);
    expect(client.ask("qThreadExtraInfo,1")).toEqual([
      toHex(new TextEncoder().encode("Hart 0, S-mode")),
    ]);
    expect([...client.ask("T1"), ...client.ask("T2")]).toEqual(["OK", "E16"]);
    expect([...client.ask("Hg0"), ...client.ask("Hc-1"), ...client.ask("Hg7")]).toEqual([
      ...["OK", "OK", "E16"],
    ]);
  });

  it("turns acknowledgements off", () => {
    expect(client.ask("QStartNoAckMode")).toEqual(["OK"]);
    client.ask("?");
    expect(client.acks).toBe(1);
  });

  it("gets the last answer again, and says it when a packet was damaged", () => {
    client.ask("qC");
    client.stub.receive(Uint8Array.of(0x2d));
    expect(client.answers()).toEqual(["QC1"]);
  });

  it("reads the description of the target in pieces", () => {
    let xml = "";
    for (let piece = "m"; piece.startsWith("m"); ) {
      [piece] = client.ask(`qXfer:features:read:target.xml:${hex(xml.length)},400`);
      xml += piece.slice(1);
    }
    expect(xml).toMatch(/^<\?xml.*riscv:rv64.*<reg name="satp"[^>]* regnum="449".*<\/target>$/s);
    expect(client.ask("qXfer:features:read:target.xml:x,1")).toEqual(["E16"]);
  });

  it("reads and writes registers", () => {
    machine.harts[0].setX(5, 0x1234n);
    const [registers] = client.ask("g");
    expect(registers).toHaveLength(33 * 16);
    expect(registers.slice(5 * 16, 6 * 16)).toBe(valueToHex(0x1234n));
    expect(registers.slice(32 * 16)).toBe(valueToHex(BigInt(KERNEL)));
    expect(
      client.ask(`G${registers.replace(valueToHex(0x1234n), valueToHex(2n ** 64n - 1n))}`),
    ).toEqual(["OK"]);
    expect(machine.harts[0].getX(5)).toBe(2n ** 64n - 1n);
    expect(client.ask(`P21=${valueToHex(7n)}`)).toEqual(["OK"]);
    expect(client.ask("p21")).toEqual([valueToHex(7n)]);
    // sscratch, then a CSR that there is none of, the mode, and what is no register.
    expect(client.ask(`P${hex(65 + 0x140)}=${valueToHex(9n)}`)).toEqual(["OK"]);
    expect(client.ask(`p${hex(65 + 0x140)}`)).toEqual([valueToHex(9n)]);
    expect(client.ask(`p${hex(65 + 0x7ff)}`)).toEqual(["x".repeat(16)]);
    expect(client.ask(`p${hex(65 + 4096)}`)).toEqual([valueToHex(1n)]);
    expect(client.ask(`P${hex(65 + 4096)}=${valueToHex(2n)}`)).toEqual(["E16"]);
    expect(client.ask(`P${hex(65 + 4096)}=${valueToHex(3n)}`)).toEqual(["OK"]);
    expect(machine.harts[0].mode()).toBe("M");
    expect([...client.ask("Pffff=00"), ...client.ask("G00"), ...client.ask("pzz")]).toEqual([
      ...["E16", "E16", "x".repeat(16)],
    ]);
  });

  it("reads and writes memory", () => {
    expect(client.ask(`M${hex(COUNTER)},4:01020304`)).toEqual(["OK"]);
    expect(client.ask(`X${hex(COUNTER + 4)},2:\x05}`)).toEqual(["OK"]);
    expect(client.ask(`m${hex(COUNTER)},6`)).toEqual(["01020304057d"]);
    expect(client.ask("m0,4")).toEqual(["E0e"]);
    expect(client.ask(`m${hex(0x8000_0000 + (32 << 20) - 2)},4`)).toEqual(["0000"]);
    expect(client.ask("M0,1:00")).toEqual(["E0e"]);
    expect(client.ask(`m${hex(COUNTER)},ffffffff`)[0]).toHaveLength(MAX_PAYLOAD_BYTES);
    for (const bad of ["m", "mx,1", "M1,2:00", "M1", "X", `X${hex(COUNTER)},9:a`]) {
      expect(client.ask(bad)).toEqual(["E16"]);
    }
  });

  it("steps, goes on to breakpoints of both kinds, and takes them out", () => {
    expect(client.ask("s")).toEqual(["T05thread:1;"]);
    expect(machine.harts[0].pc()).toBe(BigInt(KERNEL + 4));
    for (const [type, name] of [
      ["0", "swbreak"],
      ["1", "hwbreak"],
    ]) {
      expect(client.ask(`Z${type},${hex(AT.leaf)},4`)).toEqual(["OK"]);
      expect(client.ask(`Z${type},${hex(AT.leaf)},4`)).toEqual(["OK"]);
      expect(client.ask("vCont;c")).toEqual([]);
      untilHeld(machine);
      expect(client.answers()).toEqual([`T05thread:1;${name}:;`]);
      expect(client.ask(`z${type},${hex(AT.leaf)},4`)).toEqual(["OK"]);
    }
    expect(machine.harts[0].debug?.points.breakpoints).toEqual([]);
  });

  it("watches memory", () => {
    expect(client.ask(`Z2,${hex(COUNTER)},4`)).toEqual(["OK"]);
    client.ask("c");
    untilHeld(machine);
    expect(client.answers()).toEqual([`T05thread:1;watch:${hex(COUNTER)};`]);
    expect(machine.memory.readU32(COUNTER)).toBe(1);
    expect(client.ask(`z2,${hex(COUNTER)},4`)).toEqual(["OK"]);
    expect(client.ask("Z2,0,0")).toEqual(["E1c"]);
    expect(client.ask("Z9,0,0")).toEqual([""]);
    expect(client.ask("Z0,1,2")).toEqual(["E1c"]);
  });

  it("inserts a bounded number of points, however it names them", () => {
    const answers = Array.from({ length: 1100 }, (_, length) =>
      client.ask(`Z0,${hex(AT.leaf)},${hex(length)}`),
    ).flat();
    expect(answers.indexOf("E1c")).toBe(1024 + 64);
    expect(answers.lastIndexOf("OK")).toBe(1024 + 64 - 1);
    client.stub.close();
    expect(machine.harts[0].debug?.points.breakpoints).toEqual([]);
  });

  it("sees physical memory if it says so", () => {
    // Sv39 with an empty table: no virtual address is mapped.
    machine.harts[0].debug?.pokeCsr(0x180, (8n << 60n) | (BigInt(KERNEL) >> 12n));
    expect(client.ask(`m${hex(COUNTER)},1`)).toEqual(["E0e"]);
    expect(client.ask("qqemu.PhyMemMode")).toEqual(["0"]);
    expect(client.ask("Qqemu.PhyMemMode:1")).toEqual(["OK"]);
    expect(client.ask("qqemu.PhyMemMode")).toEqual(["1"]);
    expect(client.ask(`m${hex(COUNTER)},1`)).toEqual(["00"]);
    expect(client.ask("Qqemu.PhyMemMode:0")).toEqual(["OK"]);
    expect(client.ask(`m${hex(COUNTER)},1`)).toEqual(["E0e"]);
  });

  it("goes on only in ways that there are", () => {
    expect(client.ask("vCont?")).toEqual(["vCont;c;C;s;S"]);
    expect(client.ask("vCont;t")).toEqual(["E16"]);
    expect(client.ask("vCont;S05:1;c")).toEqual(["T05thread:1;"]);
    expect(machine.harts[0].pc()).toBe(BigInt(KERNEL + 4));
  });

  it("interrupts what runs", () => {
    client.ask("c");
    machine.runSlice(2);
    client.stub.receive(Uint8Array.of(3));
    expect(client.answers()).toEqual(["T02thread:1;"]);
    expect(machine.runSlice(2)).toBe("held");
  });

  it("gives orders to the monitor", () => {
    const order = (text: string) => client.ask(`qRcmd,${toHex(new TextEncoder().encode(text))}`);
    const [help, end] = order("help");
    expect(end).toBe("OK");
    expect(help.startsWith("O")).toBe(true);
    expect(order("info  devices")[0]).toBe(`O${toHex(new TextEncoder().encode("no devices\n"))}`);
    expect(order("nonsense")).toHaveLength(2);
    expect(order("info status")).toHaveLength(2);
    client.ask("s");
    order("reset");
    expect(machine.harts[0].pc()).toBe(BigInt(KERNEL));
    expect(client.ask("qRcmd,0")).toEqual(["E16"]);
  });

  it("has the monitor translate addresses", () => {
    const order = (text: string) => {
      const [output] = client.ask(`qRcmd,${toHex(new TextEncoder().encode(text))}`);
      return new TextDecoder().decode(fromHex(output.slice(1)));
    };
    expect(order("translate 0x80001234")).toBe("Bare: 0x80001234\n");
    expect(order("translate")).toMatch(/no such command/);
    expect(order("translate 0xg")).toMatch(/no address/);
    // A gigabyte of its own in the first entry of a table.
    machine.memory.writeU32(KERNEL, 0xdf);
    machine.memory.writeU32(KERNEL + 4, 0);
    machine.harts[0].debug?.pokeCsr(0x180, (8n << 60n) | (BigInt(KERNEL) >> 12n));
    expect(order("translate 0x1234")).toBe(
      `level 2: 0xdf at 0x${hex(KERNEL)} V R W X U A D\nSv39: 0x1234\n`,
    );
    expect(order("translate ffffffff80001234")).toMatch(/^level 2: 0x0 at .*\nSv39: .*not valid/);
  });

  it("is done by an order to the monitor", () => {
    const [text, end] = client.ask(`qRcmd,${toHex(new TextEncoder().encode("quit"))}`);
    expect([text, end]).toEqual([`O${toHex(new TextEncoder().encode("bye\n"))}`, "OK"]);
    expect([client.isKilled, client.isClosed]).toEqual([true, true]);
  });

  it("leaves nothing behind when it detaches or is gone", () => {
    client.ask(`Z0,${hex(AT.leaf)},4`);
    client.ask(`Z2,${hex(COUNTER)},4`);
    expect(client.ask("D;1")).toEqual(["OK"]);
    expect(client.isClosed).toBe(true);
    expect(machine.runSlice(5)).toBe("running");
    client.stub.close();
    expect(client.ask("?")).toEqual([]);
  });

  it("ends the machine", () => {
    client.ask("k");
    expect([client.isKilled, client.isClosed]).toEqual([true, true]);
  });

  it("is told of the machine's end if it waits for a stop", () => {
    client.ask("c");
    client.stub.exited(3);
    expect(client.answers()).toEqual(["W03"]);
  });

  it("is no browser", () => {
    client.stub.receive(new TextEncoder().encode("POST / HTTP/1.1\r\n\r\n+$k#6b"));
    expect([client.isClosed, client.isKilled, client.answers()]).toEqual([true, false, []]);
    expect(machine.hold.isActive).toBe(false);
  });
});

const piece = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .tuple(
      fc.constantFrom(
        ..."?gGpPmMXcsCSzZHTDkvq",
        "vCont;",
        "Z0,",
        "Z2,",
        "qRcmd,",
        "qXfer:features:read:target.xml:",
      ),
      fc.string({ maxLength: 30 }),
    )
    .map(([start, rest]) => encodePacket(start + rest)),
);

it("whatever a client sends, it gets bounded answers and the machine lives", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const target = loopingMachine();
      let longest = 0;
      const stub = new GdbStub(Debugger.of(target), {
        send: (bytes) => {
          longest = Math.max(longest, bytes.length);
        },
        close: () => {},
        kill: () => {},
      });
      stub.receive(Uint8Array.of(0x2b));
      for (const bytes of pieces) {
        stub.receive(bytes);
        target.runSlice(0);
      }
      stub.close();
      // Each byte of a payload may be escaped.
      expect(longest).toBeLessThanOrEqual(2 * MAX_PAYLOAD_BYTES + 4);
      expect(target.harts[0].debug?.points.breakpoints).toEqual([]);
      expect(target.hold.isActive).toBe(false);
    }),
    { numRuns: 40 },
  );
});
