import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Message } from "../../virtio/devices/9p/protocol.ts";
import { BalloonFeature } from "../../virtio/devices/balloon.ts";
import { ConsoleFeature } from "../../virtio/devices/console.ts";
import { Opcode } from "../../virtio/devices/fuse/abi.ts";
import { GpuCommand, GpuResponse } from "../../virtio/devices/gpu-protocol.ts";
import { SoundCode, SoundStatus } from "../../virtio/devices/sound-protocol.ts";
import { bit, bits, DeviceType, Feature } from "../../virtio/spec.ts";
import { decodePayload, type Field } from "./payload.ts";

const NOTHING = new Uint8Array();
const VERSION_1 = bit(Feature.VERSION_1);

const text = (value: string) => [...new TextEncoder().encode(value)];
const le = (size: number) => (value: number) =>
  Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256);
const le16 = le(2);
const le32 = le(4);
const le64 = le(8);
const be16 = (value: number) => le16(value).reverse();
const be32 = (value: number) => le32(value).reverse();
const zeros = (count: number) => new Array<number>(count).fill(0);
const bytes = (...parts: number[][]) => Uint8Array.from(parts.flat());

/** Every field with its path, as `header/type: IN (0)`. */
function lines(fields: readonly Field[], path = ""): string[] {
  return fields.flatMap((field) => [
    `${path}${field.name}: ${field.value}`,
    ...lines(field.children ?? [], `${path}${field.name}/`),
  ]);
}

const BLOCK_READ = bytes(le32(0), le32(0), le64(2048));

describe("a block request", () => {
  it("has its type, its sector and its status", () => {
    const answer = bytes(zeros(512), [0]);
    const payload = decodePayload(DeviceType.BLOCK, 0, VERSION_1, BLOCK_READ, answer);
    expect(payload).toMatchObject({ op: "read", summary: "sector 2048, 512 bytes" });
    const shown = lines(payload.fields);
    expect(shown).toContain("type: IN (0)");
    expect(shown).toContain("status: OK (0)");
    // Offsets go on behind what the driver wrote.
    expect(payload.fields.at(-1)).toMatchObject({ name: "status", offset: 16 + 512, length: 1 });
  });

  it("has no status while it is in flight, or where the answer was cut off", () => {
    const inFlight = decodePayload(DeviceType.BLOCK, 0, 0n, BLOCK_READ, NOTHING);
    expect(inFlight).toMatchObject({ op: "read", summary: "sector 2048" });
    const cut = decodePayload(DeviceType.BLOCK, 0, 0n, BLOCK_READ, new Uint8Array(256));
    expect(lines(cut.fields).some((line) => line.startsWith("status"))).toBe(false);
  });

  it("tells a failure", () => {
    const write = bytes(le32(1), le32(0), le64(7), zeros(1024));
    const payload = decodePayload(DeviceType.BLOCK, 0, 0n, write, bytes([1]));
    expect(payload).toMatchObject({ op: "write", summary: "sector 7, 1024 bytes IOERR" });
  });

  it("lists the segments of a discard", () => {
    const discard = bytes(le32(11), zeros(12), le64(64), le32(8), le32(0));
    const payload = decodePayload(DeviceType.BLOCK, 0, 0n, discard, bytes([0]));
    expect(lines(payload.fields)).toContain("segment 0: 8 sectors from 64 on");
  });

  it("says where it was cut off", () => {
    const { fields } = decodePayload(DeviceType.BLOCK, 0, 0n, BLOCK_READ.subarray(0, 10), NOTHING);
    expect(fields.at(-1)).toMatchObject({ name: "sector", note: "cut off: 6 bytes missing" });
  });
});

const MACS = [zeros(5), [1], zeros(5), [2]].flat();
const ipv4 = (protocol: number, payload: number[]) => [
  ...[0x45, 0],
  ...be16(20 + payload.length),
  ...zeros(5),
  ...[protocol, 0, 0],
  ...[10, 0, 0, 1],
  ...[10, 0, 0, 2],
  ...payload,
];
const udp = (from: number, to: number, payload: number[]) => [
  ...be16(from),
  ...be16(to),
  ...be16(8 + payload.length),
  ...zeros(2),
  ...payload,
];
const NET_HEADER = zeros(12);
const transmit = (frame: number[]) =>
  decodePayload(DeviceType.NET, 1, VERSION_1, bytes(NET_HEADER, MACS, frame), NOTHING);

describe("a network packet", () => {
  it("is decoded down to TCP and its options", () => {
    const options = [2, 4, ...be16(1460), 1, 3, 3, 7];
    const tcp = [
      be16(43210),
      be16(80),
      be32(1000),
      be32(0),
      [0x70, 2],
      be16(64240),
      zeros(4),
      options,
    ];
    const payload = transmit([...be16(0x0800), ...ipv4(6, tcp.flat())]);
    expect(payload.op).toBe("transmit");
    expect(payload.summary).toBe(
      "TCP 10.0.0.1:43210 → 10.0.0.2:80 [SYN] seq 1000 win 64240 0 bytes",
    );
    const shown = lines(payload.fields);
    expect(shown).toContain("TCP/option: MSS (2) 1460");
    expect(shown).toContain("TCP/option: WINDOW_SCALE (3) 7");
  });

  it("asks who has an address", () => {
    const arp = [
      be16(1),
      be16(0x0800),
      [6, 4],
      be16(1),
      zeros(6),
      [10, 0, 0, 1],
      zeros(6),
      [10, 0, 0, 2],
    ];
    const payload = transmit([...be16(0x0806), ...arp.flat()]);
    expect(payload.summary).toBe("ARP who has 10.0.0.2? tell 10.0.0.1");
  });

  it("names what DNS asks for and answers, through pointers", () => {
    const name = [7, ...text("example"), 3, ...text("org"), 0];
    const question = [...name, ...be16(1), ...be16(1)];
    const record = [0xc0, 12, ...be16(1), ...be16(1), ...be32(60), ...be16(4), 1, 2, 3, 4];
    const dns = [be16(7), be16(0x8180), be16(1), be16(1), zeros(4), question, record].flat();
    const payload = transmit([...be16(0x0800), ...ipv4(17, udp(53, 5000, dns))]);
    expect(payload.summary).toBe("DNS 10.0.0.1:53 → 10.0.0.2:5000 response NOERROR A example.org");
    expect(lines(payload.fields)).toContain("DNS/record: example.org A 1.2.3.4");
  });

  it("survives a name of DNS that points at itself", () => {
    const dns = [be16(7), be16(0), be16(1), zeros(6), [0xc0, 12], be16(1), be16(1)].flat();
    expect(transmit([...be16(0x0800), ...ipv4(17, udp(5000, 53, dns))]).op).toBe("transmit");
  });

  it("tells a DHCP message", () => {
    const dhcp = [
      [1, 1, 6, 0],
      zeros(232),
      be32(0x63825363),
      [53, 1, 1, 12, 3, ...text("abc"), 255],
    ];
    const payload = transmit([...be16(0x0800), ...ipv4(17, udp(68, 67, dhcp.flat()))]);
    expect(payload.summary).toBe("DHCP DISCOVER");
    expect(lines(payload.fields)).toContain('DHCP/option: HOST_NAME (12) "abc"');
  });

  it("reads IPv6 and a neighbour's solicitation behind an extension header", () => {
    const address = (last: number) => [0xfe, 0x80, ...zeros(13), last];
    const icmp = [58, 0, ...zeros(6), 135, 0, ...zeros(6), ...address(2)];
    const packet = [[0x60, 0, 0, 0], be16(icmp.length), [0, 255], address(1), address(2), icmp];
    const payload = transmit([...be16(0x86dd), ...packet.flat()]);
    expect(payload.summary).toBe("ICMP fe80::1 → fe80::2 NEIGHBOR_SOLICITATION fe80::2");
  });

  it("has the short header without VERSION_1, and is told from a command", () => {
    const short = bytes(zeros(10), MACS, be16(0x88b5));
    const payload = decodePayload(DeviceType.NET, 0, 0n, NOTHING, short);
    expect(payload.op).toBe("receive");
    expect(payload.summary).toContain("0x88b5");
    const command = bytes([1, 1], zeros(5), [9]);
    expect(decodePayload(DeviceType.NET, 2, VERSION_1, command, bytes([0]))).toMatchObject({
      op: "control",
      summary: "MAC ADDR_SET 00:00:00:00:00:09",
    });
  });
});

const fuse = (opcode: number, body: number[]) =>
  bytes(le32(40 + body.length), le32(opcode), le64(1), le64(1), zeros(16), body);
const fuseAnswer = (error: number, body: number[]) =>
  bytes(le32(16 + body.length), le32(error), le64(1), body);

/** A message of 9P. */
const ninep = (type: number, ...body: number[][]) => {
  const fields = body.flat();
  return bytes(le32(7 + fields.length), [type], le16(1), fields);
};
const ninepText = (value: string) => [...le16(value.length), ...text(value)];

interface Example {
  readonly what: string;
  readonly type: number;
  readonly queue?: number;
  readonly features?: bigint;
  readonly readable?: Uint8Array;
  readonly written?: Uint8Array;
  readonly op: string;
  readonly summary: string;
}

const EXAMPLES: readonly Example[] = [
  {
    what: "a name that is looked up",
    type: DeviceType.FS,
    readable: fuse(Opcode.LOOKUP, [...text("etc"), 0]),
    written: fuseAnswer(0, [...le64(5), ...zeros(120)]),
    op: "lookup",
    summary: 'node 1 "etc" → node 5',
  },
  {
    what: "a file that is not there",
    type: DeviceType.FS,
    readable: fuse(Opcode.UNLINK, [...text("x"), 0]),
    written: fuseAnswer(0x1_0000_0000 - 2, []),
    op: "unlink",
    summary: 'node 1 "x": ENOENT',
  },
  {
    what: "a mapping of a file",
    type: DeviceType.FS,
    readable: fuse(Opcode.SETUPMAPPING, [
      ...[...le64(0), ...le64(0x20_0000), ...le64(0x20_0000), ...le64(3), ...le64(0x40_0000)],
    ]),
    written: fuseAnswer(0, []),
    op: "setupmapping",
    summary: "node 1 WRITE READ (0x3) 2097152 bytes at 2097152, in the window at 4194304",
  },
  {
    what: "a read of a directory",
    type: DeviceType.FS,
    readable: fuse(Opcode.READDIR, [...le64(3), ...le64(0), ...le32(4096), ...zeros(20)]),
    written: fuseAnswer(0, [
      ...[...le64(9), ...le64(1), ...le32(1), ...le32(4), ...text("a"), ...zeros(7)],
      ...[...le64(8), ...le64(2), ...le32(2), ...le32(8), ...text("bc"), ...zeros(6)],
    ]),
    op: "readdir",
    summary: 'node 1 handle 3 4096 bytes at 0 → "a" "bc"',
  },
  {
    what: "a walk",
    type: DeviceType.NINE_P,
    readable: ninep(Message.TWALK, le32(1), le32(2), le16(2), ninepText("a"), ninepText("b")),
    written: ninep(Message.TWALK + 1, le16(1), [0x80], le32(0), le64(77)),
    op: "twalk",
    summary: 'fid 1 newfid 2 nwname 2 "a" "b" → nwqid 1 qid 77',
  },
  {
    what: "an error of 9P",
    type: DeviceType.NINE_P,
    readable: ninep(Message.TCLUNK, le32(1)),
    written: ninep(Message.RLERROR, le32(9)),
    op: "tclunk",
    summary: "fid 1: EBADF",
  },
  {
    what: "data of a socket",
    type: DeviceType.VSOCK,
    queue: 1,
    readable: bytes(
      ...[le64(3), le64(2), le32(1024), le32(80), le32(5)],
      ...[le16(1), le16(5), le32(0), le32(65536), le32(0), text("hello")],
    ),
    op: "rw",
    summary: "STREAM 3:1024 → host:80 5 bytes",
  },
  {
    what: "a resource of the graphics device",
    type: DeviceType.GPU,
    readable: bytes(
      ...[le32(GpuCommand.RESOURCE_CREATE_2D), zeros(20)],
      ...[le32(1), le32(2), le32(640), le32(480)],
    ),
    written: bytes(le32(GpuResponse.ERR_OUT_OF_MEMORY), zeros(20)),
    op: "resource_create_2d",
    summary: "resource 1 640 × 480 B8G8R8X8 ERR_OUT_OF_MEMORY",
  },
  {
    what: "a key",
    type: DeviceType.INPUT,
    written: bytes(le16(1), le16(30), le32(1)),
    op: "event",
    summary: "KEY KeyA down",
  },
  {
    what: "parameters of sound",
    type: DeviceType.SOUND,
    readable: bytes(
      ...[le32(SoundCode.PCM_SET_PARAMS), le32(0), le32(8192), le32(2048), le32(0)],
      [2, 5, 7, 0],
    ),
    written: bytes(le32(SoundStatus.OK)),
    op: "pcm_set_params",
    summary: "stream 0 2 × s16 at 48000 Hz, 8192 bytes in periods of 2048",
  },
  {
    what: "sound that is played",
    type: DeviceType.SOUND,
    queue: 2,
    readable: bytes(le32(0), zeros(64)),
    written: bytes(le32(SoundStatus.OK), le32(0)),
    op: "play",
    summary: "OUTPUT stream 0 64 bytes",
  },
  {
    what: "text of the console",
    type: DeviceType.CONSOLE,
    queue: 1,
    readable: bytes(text("hi\r\n")),
    op: "output",
    summary: '4 bytes "hi\\r\\n"',
  },
  {
    what: "a port's name",
    type: DeviceType.CONSOLE,
    queue: 2,
    features: bit(ConsoleFeature.MULTIPORT),
    written: bytes(le32(1), le16(7), le16(1), text("org.x")),
    op: "control",
    summary: 'port 1 PORT_NAME "org.x"',
  },
  {
    what: "pages for the balloon",
    type: DeviceType.BALLOON,
    readable: bytes(le32(0x80000), le32(0x80001)),
    op: "inflate",
    summary: "2 pages",
  },
  {
    what: "a queue of the balloon that moved up",
    type: DeviceType.BALLOON,
    queue: 2,
    features: bits(BalloonFeature.FREE_PAGE_HINT),
    readable: bytes(le32(5)),
    op: "free_page",
    summary: "command 5",
  },
  {
    what: "memory to plug",
    type: DeviceType.MEM,
    readable: bytes(le16(0), zeros(6), le64(0x1_0000_0000), le16(64), zeros(6)),
    written: bytes(le16(1), zeros(8)),
    op: "plug",
    summary: "64 blocks at 0x100000000 NACK",
  },
  {
    what: "a flush of persistent memory",
    type: DeviceType.PMEM,
    readable: bytes(le32(0)),
    written: bytes(le32(0)),
    op: "flush",
    summary: "OK",
  },
  {
    what: "a session of the crypto device",
    type: DeviceType.CRYPTO,
    queue: 1,
    readable: bytes(
      ...[0x002, 3, 0, 0, 3, 16, 1, 0].map(le32),
      zeros(32),
      ...[1, 0].map(le32),
      zeros(16),
    ),
    written: bytes(le64(7), le32(0), le32(0)),
    op: "cipher_create_session",
    summary: "AES_CBC OK session 7",
  },
  {
    what: "data of the crypto device",
    type: DeviceType.CRYPTO,
    readable: bytes(
      le32(0x301),
      le32(0),
      le64(7),
      ...[0, 0, 12, 2, 32, 16, 16, 0].map(le32),
      zeros(24 + 12 + 32 + 2),
    ),
    written: bytes(zeros(16), [2]),
    op: "aead_decrypt",
    summary: "session 7, 32 bytes BADMSG",
  },
  {
    what: "a clock",
    type: DeviceType.RTC,
    readable: bytes(le64(0x1001), le64(1)),
    written: bytes(le64(0), [2, 0, 1], zeros(5)),
    op: "clock_cap",
    summary: "clock 1 OK, MONOTONIC",
  },
  {
    what: "a clock's time",
    type: DeviceType.RTC,
    readable: bytes(le64(1), le64(0)),
    written: bytes(le64(0), le64(5_000)),
    op: "read",
    summary: "clock 0 OK, 5000 ns",
  },
  {
    what: "an alarm that expires",
    type: DeviceType.RTC,
    queue: 1,
    written: bytes(le64(0x2000), le64(1)),
    op: "alarm",
    summary: "clock 1",
  },
  {
    what: "random bytes",
    type: DeviceType.ENTROPY,
    written: bytes([1, 2, 3]),
    op: "fill",
    summary: "3 bytes",
  },
  {
    what: "a device that nobody knows",
    type: 99,
    readable: bytes([1]),
    op: "request",
    summary: "1 byte out, 0 bytes in",
  },
];

describe("every device", () => {
  it.each(EXAMPLES)("decodes $what", (example) => {
    const { type, queue = 0, features = 0n, readable = NOTHING, written = NOTHING } = example;
    const payload = decodePayload(type, queue, features, readable, written);
    expect({ op: payload.op, summary: payload.summary }).toEqual({
      op: example.op,
      summary: example.summary,
    });
  });

  const types = fc.constantFrom(...Object.values(DeviceType), 99);
  const queues = fc.integer({ min: 0, max: 6 });
  const features = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

  function check(
    type: number,
    queue: number,
    set: bigint,
    out: Uint8Array,
    back: Uint8Array,
  ): void {
    const { op, summary, fields } = decodePayload(type, queue, set, out, back);
    expect(op).toMatch(/^[a-z0-9_]+$/);
    expect(summary.length).toBeLessThan(302);
    checkPlaces(fields, out.length + back.length);
  }

  it("survives any bytes, and names only bytes that are there", () => {
    const data = fc.uint8Array({ maxLength: 600 });
    fc.assert(fc.property(types, queues, features, data, data, check), { numRuns: 3000 });
  });

  it("survives what is right at first and then cut off or spoilt", () => {
    const example = fc.constantFrom(...EXAMPLES);
    const spoil = fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 })), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(example, fc.nat(200), fc.nat(200), spoil, (which, out, back, changes) => {
        const readable = (which.readable ?? NOTHING).slice(0, out);
        const written = (which.written ?? NOTHING).slice(0, back);
        for (const [at, value] of changes) {
          if (at < readable.length) readable[at] = value;
          if (at < written.length) written[at] = value;
        }
        check(which.type, which.queue ?? 0, which.features ?? 0n, readable, written);
      }),
      { numRuns: 3000 },
    );
  });
});

function checkPlaces(fields: readonly Field[], end: number): void {
  for (const { offset = 0, length = 0, children = [] } of fields) {
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset + length).toBeLessThanOrEqual(end);
    checkPlaces(children, end);
  }
}
