/**
 * One device of each kind for the tests that hold for all of them: malformed input, properties,
 * floods and the fuzzer. A new device joins with one entry.
 */
import { cryptoAlgorithms } from "../../host/crypto-algorithms.ts";
import { GuestMemory, PAGE_BYTES } from "../../memory/guest-memory.ts";
import { WINDOW_BLOCK_BYTES } from "../../memory/memory-window.ts";
import type { VirtioDevice } from "../device.ts";
import { NinePDevice } from "../devices/9p.ts";
import { BalloonDevice } from "../devices/balloon.ts";
import { BlockDevice } from "../devices/block.ts";
import type { BlockBackend } from "../devices/block-backend.ts";
import { BootTimerDevice } from "../devices/boot-timer.ts";
import { ConsoleDevice } from "../devices/console.ts";
import { CryptoDevice } from "../devices/crypto.ts";
import {
  AeadAlgo,
  AkcipherAlgo,
  AkcipherKeyType,
  CipherAlgo,
  CryptoControl,
  CryptoOp,
  HashAlgo,
  MacAlgo,
} from "../devices/crypto-protocol.ts";
import { EntropyDevice } from "../devices/entropy.ts";
import { FsDevice } from "../devices/fs.ts";
import { Opcode } from "../devices/fuse/abi.ts";
import { DAX_BLOCK } from "../devices/fuse/dax-window.ts";
import { GpuDevice } from "../devices/gpu.ts";
import { GpuCommand } from "../devices/gpu-protocol.ts";
import { Keyboard } from "../devices/input-kinds.ts";
import { MemDevice, MemRequest } from "../devices/mem.ts";
import { MemoryBlockBackend } from "../devices/memory-block-backend.ts";
import { NetDevice } from "../devices/net.ts";
import { PmemDevice, PmemRequest } from "../devices/pmem.ts";
import { RtcDevice, RtcMessage } from "../devices/rtc.ts";
import { SoundDevice } from "../devices/sound.ts";
import { VsockDevice } from "../devices/vsock.ts";
import { VsockType } from "../devices/vsock-packet.ts";
import { header, segment } from "./block-driver.ts";
import {
  aeadSession,
  cipherFields,
  cipherSession,
  controlRequest,
  dataRequest,
} from "./crypto-driver.ts";
import { sharedTree } from "./shared-tree.ts";
import { TestDisplay } from "./test-display.ts";
import { TestSound } from "./test-sound.ts";

/** A request of an honest driver, which has to be answered. */
export interface HonestRequest {
  readonly queue: number;
  readonly readable?: readonly Uint8Array[];
  /** Lengths of the buffers for the answer. */
  readonly writable?: readonly number[];
}

export interface Specimen {
  readonly device: VirtioDevice;
  /** Where the device may write: into the chains it is given, or wherever requests say. */
  readonly reach?: "ram";
  /** Something happens on the host's side, such as input or a frame. */
  readonly stir?: () => void;
  /**
   * In an order in which a driver that has accepted all features may make them; each is answered
   * once the host's side has stirred. As many queues as possible should have one.
   */
  readonly requests: readonly HonestRequest[];
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);

/** A page of the RAM of every test, away from rings and buffers. */
const SPARE_PAGE = 0x8003_f000;

const gpuCommand = (type: number, ...values: number[]) => words(type, 0, 0, 0, 0, 0, ...values);

const text = (string: string) => new TextEncoder().encode(string);

/** A modulus of 512 bits that is no product of primes, with the exponent 3: the device cannot know. */
const RSA_PUBLIC_KEY = Uint8Array.of(0x30, 0x46, 2, 0x41, 0, ...filled(64, 0xff), 2, 1, 3);

/** Where windows are; their memory is none that rings or buffers are in. */
const WINDOW = 0x1_0000_0000;

function windowOf(blocks: number) {
  const size = blocks * WINDOW_BLOCK_BYTES;
  const ram = { base: WINDOW - PAGE_BYTES, size: PAGE_BYTES, offset: 0 };
  const memory = new GuestMemory({ buffer: new ArrayBuffer(PAGE_BYTES + size) }, [ram]);
  return { memory, window: memory.addWindow({ base: WINDOW, size, offset: PAGE_BYTES }) };
}

/** Length, opcode, unique, node, user and group, as `struct fuse_in_header` has them, and the rest. */
function fuseRequest(opcode: number, node: number, args: Uint8Array, room: number): HonestRequest {
  const header = words(40 + args.length, opcode, 1, 0, node, 0, 0, 0, 0, 0);
  return { queue: 1, readable: [Uint8Array.of(...header, ...args)], writable: [16, room] };
}

/** What a guest asks of `sharedTree`. */
function* fuseRequests(): Generator<HonestRequest> {
  const { readable = [] } = fuseRequest(Opcode.FORGET, 2, words(1, 0), 0);
  yield { queue: 0, readable };
  yield fuseRequest(Opcode.INIT, 0, words(7, 41, 4096, -1, ...new Array(12).fill(0)), 64);
  yield fuseRequest(Opcode.LOOKUP, 1, text("a\0"), 128);
  yield fuseRequest(Opcode.OPEN, 2, words(2, 0), 16);
  yield fuseRequest(Opcode.READ, 2, words(1, 0, 0, 0, 64, 0, 0, 0, 0, 0), 64);
}

/** Each is given a host that has something to give. */
export const SPECIMENS: Readonly<Record<string, () => Specimen>> = {
  block: () => ({
    device: new BlockDevice("blk0", new MemoryBlockBackend({ image: filled(64 * 512, 0xbb) })),
    requests: [
      { queue: 0, readable: [header(0, 1)], writable: [512, 1] },
      { queue: 0, readable: [header(1, 1), filled(512, 1)], writable: [1] },
      { queue: 0, readable: [header(4)], writable: [1] },
      { queue: 0, readable: [header(8)], writable: [20, 1] },
      { queue: 0, readable: [header(11), segment(8, 8)], writable: [1] },
      { queue: 0, readable: [header(13), segment(0, 8)], writable: [1] },
    ],
  }),
  "slow block": () => {
    const memory = new MemoryBlockBackend({ image: filled(64 * 512, 0xbb) });
    const late: (() => void)[] = [];
    const later = (action: () => void) =>
      new Promise<void>((resolve) => {
        late.push(() => {
          action();
          resolve();
        });
      });
    const backend: BlockBackend = {
      sectors: memory.sectors,
      readOnly: false,
      id: "slow",
      read: (sector, target) => later(() => memory.read(sector, target)),
      write: () => later(() => {}),
      flush: () => later(() => {}),
    };
    return {
      device: new BlockDevice("blk0", backend),
      // The last request is answered first.
      stir: () => {
        for (const answer of late.splice(0).reverse()) answer();
      },
      requests: [
        { queue: 0, readable: [header(0, 1)], writable: [512, 1] },
        { queue: 0, readable: [header(1, 1), filled(512, 1)], writable: [1] },
        { queue: 0, readable: [header(4)], writable: [1] },
      ],
    };
  },
  console: () => {
    const device = new ConsoleDevice("console0", { write: () => true });
    return {
      device,
      stir: () => void device.input(filled(100, 0xcc)),
      requests: [
        { queue: 0, writable: [16] },
        { queue: 1, readable: [filled(20, 0x61)] },
      ],
    };
  },
  "console with ports": () => {
    const device = new ConsoleDevice("console0", { write: () => true }, { ports: 2 });
    const port = device.addPort("port", { write: () => true });
    const stir = () => {
      device.input(filled(100, 0xcc));
      port.open();
      port.input(filled(100, 0xdd));
      device.resize(80, 24);
    };
    return {
      device,
      stir,
      requests: [
        { queue: 1, readable: [filled(20, 0x61)] },
        { queue: 3, readable: [Uint8Array.of(255, 255, 255, 255, 0, 0, 1, 0)] },
        { queue: 2, writable: [32] },
        { queue: 3, readable: [Uint8Array.of(0, 0, 0, 0, 6, 0, 1, 0)] },
        { queue: 0, writable: [16] },
        { queue: 3, readable: [Uint8Array.of(1, 0, 0, 0, 3, 0, 1, 0)] },
        { queue: 3, readable: [Uint8Array.of(1, 0, 0, 0, 6, 0, 1, 0)] },
        { queue: 4, writable: [16] },
        { queue: 5, readable: [filled(20, 0x62)] },
      ],
    };
  },
  net: () => {
    const device = new NetDevice("net0", { send: () => true }, { mac: filled(6, 2) });
    return {
      device,
      stir: () => device.receive(filled(200, 0xee)),
      requests: [
        { queue: 0, writable: [1526] },
        { queue: 1, readable: [filled(12, 0), filled(60, 0xff)] },
        { queue: 3, readable: [filled(12, 0), filled(60, 0xff)] },
        { queue: 4, readable: [Uint8Array.of(0, 0), Uint8Array.of(1)], writable: [1] },
        { queue: 4, readable: [Uint8Array.of(1, 1), filled(6, 2)], writable: [1] },
      ],
    };
  },
  entropy: () => ({
    device: new EntropyDevice("rng0", { fill: (bytes) => void bytes.fill(0xdd) }),
    requests: [{ queue: 0, writable: [64] }],
  }),
  balloon: () => {
    const device = new BalloonDevice("balloon0");
    return {
      device,
      reach: "ram",
      stir: () => {
        device.target = 0x1_0000;
        device.requestStatistics();
        device.requestHints();
      },
      requests: [
        { queue: 0, readable: [words(SPARE_PAGE / 4096)] },
        { queue: 1, readable: [words(SPARE_PAGE / 4096)] },
        { queue: 2, readable: [Uint8Array.of(4, 0, 1, 0, 0, 0, 0, 0, 0, 0)] },
        { queue: 3, readable: [words(2)] },
        { queue: 3, writable: [4096] },
        { queue: 4, writable: [4096] },
      ],
    };
  },
  mem: () => {
    const { memory, window } = windowOf(2);
    const device = new MemDevice("mem0", memory, window);
    device.requested = window.size;
    const request = (type: number, blocks: number): HonestRequest => ({
      queue: 0,
      readable: [words(type, 0, WINDOW % 2 ** 32, WINDOW / 2 ** 32, blocks, 0)],
      writable: [10],
    });
    return {
      device,
      stir: () => {
        device.requested = window.size - device.requested;
      },
      requests: [
        request(MemRequest.STATE, 2),
        request(MemRequest.PLUG, 1),
        request(MemRequest.UNPLUG, 1),
        request(MemRequest.UNPLUG_ALL, 0),
      ],
    };
  },
  pmem: () => {
    const { memory, window } = windowOf(1);
    const backend = new MemoryBlockBackend({ sectors: 64 });
    const device = new PmemDevice("pmem0", { memory, window, backend });
    void device.load();
    return {
      device,
      stir: () => void memory.write(WINDOW, filled(8, 0xaa)),
      requests: [{ queue: 0, readable: [words(PmemRequest.FLUSH)], writable: [4] }],
    };
  },
  crypto: () => {
    const zeros = filled(16, 0);
    const create = (opcode: number, fields: Uint8Array, key = new Uint8Array()): HonestRequest => ({
      queue: 1,
      readable: [Uint8Array.of(...controlRequest(opcode, fields), ...key)],
      writable: [16],
    });
    const operate = (opcode: number, session: number, fields: Uint8Array, ...data: number[]) => ({
      queue: 0,
      readable: [dataRequest(opcode, session, fields), Uint8Array.from(data)],
      writable: [32, 1],
    });
    return {
      device: new CryptoDevice(
        "crypto0",
        cryptoAlgorithms((into) => void into.fill(1)),
      ),
      requests: [
        create(
          CryptoControl.CIPHER_CREATE_SESSION,
          cipherSession(CipherAlgo.AES_CBC, 16, 1),
          zeros,
        ),
        create(CryptoControl.HASH_CREATE_SESSION, words(HashAlgo.SHA_256, 32)),
        create(CryptoControl.MAC_CREATE_SESSION, words(MacAlgo.HMAC_SHA1, 20, 16, 0), zeros),
        create(CryptoControl.AEAD_CREATE_SESSION, aeadSession(AeadAlgo.GCM, 16, 1), zeros),
        create(
          CryptoControl.AKCIPHER_CREATE_SESSION,
          words(AkcipherAlgo.RSA, AkcipherKeyType.PUBLIC, RSA_PUBLIC_KEY.length),
          RSA_PUBLIC_KEY,
        ),
        operate(CryptoOp.CIPHER_ENCRYPT, 1, cipherFields(16, 16), ...zeros, ...zeros),
        operate(CryptoOp.HASH, 2, words(3, 32), 1, 2, 3),
        operate(CryptoOp.MAC, 3, words(3, 20), 1, 2, 3),
        operate(CryptoOp.AEAD_ENCRYPT, 4, words(12, 0, 4, 20, 16, 0), ...zeros),
        operate(CryptoOp.AKCIPHER_ENCRYPT, 5, words(3, 32), 1, 2, 3),
        {
          queue: 1,
          readable: [controlRequest(CryptoControl.CIPHER_DESTROY_SESSION, words(1, 0))],
          writable: [1],
        },
      ],
    };
  },
  rtc: () => {
    let now = 0;
    let due: (() => void) | undefined;
    const device = new RtcDevice("rtc0", {
      nowMs: () => now,
      wallClockMs: () => now,
      sleep: (_ms, callback) => {
        due = callback;
        return () => {
          due = undefined;
        };
      },
    });
    const request = (type: number, ...values: number[]): HonestRequest => ({
      queue: 0,
      readable: [words(type, 0, ...values)],
      writable: [24],
    });
    return {
      device,
      stir: () => {
        now += 1000;
        due?.();
      },
      requests: [
        request(RtcMessage.CFG),
        request(RtcMessage.CLOCK_CAP, 0, 0),
        request(RtcMessage.CROSS_CAP, 1, 0),
        request(RtcMessage.READ, 1, 0),
        request(RtcMessage.SET_ALARM, 0, 0, 0x1_0000, 0),
        { queue: 1, writable: [16] },
        request(RtcMessage.READ_ALARM, 0, 0),
        request(RtcMessage.SET_ALARM_ENABLED, 0, 0),
      ],
    };
  },
  input: () => {
    const { device } = new Keyboard("keyboard0");
    return {
      device,
      stir: () => void device.send([[1, 30, 1]]),
      requests: [
        { queue: 0, writable: [8] },
        { queue: 1, readable: [Uint8Array.of(0x11, 0, 1, 0, 1, 0, 0, 0)] },
      ],
    };
  },
  sound: () => {
    const sound = new TestSound();
    const device = new SoundDevice("snd0", sound);
    const open = (stream: number): HonestRequest[] => [
      { queue: 0, readable: [words(0x101, stream, 64, 16, 0, 0x0007_0502)], writable: [4] },
      { queue: 0, readable: [words(0x102, stream)], writable: [4] },
      { queue: 0, readable: [words(0x104, stream)], writable: [4] },
    ];
    let isConnected = true;
    return {
      device,
      stir: () => {
        isConnected = !isConnected;
        device.setJack(1, isConnected);
        sound.pass();
      },
      requests: [
        { queue: 0, readable: [words(0x100, 0, 2, 32)], writable: [68] },
        { queue: 1, writable: [8] },
        ...open(0),
        { queue: 2, readable: [words(0), filled(16, 3)], writable: [8] },
        ...open(1),
        { queue: 3, readable: [words(1)], writable: [16, 8] },
        { queue: 0, readable: [words(0x105, 0)], writable: [4] },
        { queue: 0, readable: [words(0x103, 0)], writable: [4] },
      ],
    };
  },
  gpu: () => {
    const display = new TestDisplay();
    const device = new GpuDevice("gpu0", display, { width: 64, height: 64 });
    const control = (type: number, room: number, ...values: number[]) => ({
      queue: 0,
      readable: [gpuCommand(type, ...values)],
      writable: [room],
    });
    const whole = [0, 0, 32, 32];
    return {
      device,
      stir: () => {
        for (const callback of display.deferred.splice(0)) callback();
      },
      requests: [
        control(GpuCommand.GET_DISPLAY_INFO, 408),
        control(GpuCommand.GET_EDID, 1056, 0, 0),
        control(GpuCommand.RESOURCE_CREATE_2D, 24, 1, 1, 32, 32),
        control(GpuCommand.RESOURCE_ATTACH_BACKING, 24, 1, 1, SPARE_PAGE, 0, 4096, 0),
        control(GpuCommand.SET_SCANOUT, 24, ...whole, 0, 1),
        control(GpuCommand.TRANSFER_TO_HOST_2D, 24, ...whole, 0, 0, 1, 0),
        control(GpuCommand.RESOURCE_FLUSH, 24, ...whole, 1, 0),
        { queue: 1, readable: [gpuCommand(GpuCommand.UPDATE_CURSOR, 0, 1, 1, 0, 1, 0, 0, 0)] },
        control(GpuCommand.RESOURCE_DETACH_BACKING, 24, 1, 0),
        control(GpuCommand.RESOURCE_UNREF, 24, 1, 0),
      ],
    };
  },
  vsock: () => {
    const device = new VsockDevice("vsock0");
    const handler = { readable: () => {}, writable: () => {}, closed: () => {} };
    device.listen(7, VsockType.STREAM, () => handler);
    const packet = (operation: number, ...payload: number[]) => {
      const type = VsockType.STREAM | (operation << 16);
      const ports = [3, 0, 2, 0, 9, 7, payload.length, type, 0, 4096, 0];
      return [words(...ports), Uint8Array.from(payload)];
    };
    return {
      device,
      stir: () => {
        try {
          device.connect(1, VsockType.STREAM, handler).send(filled(100, 0xff));
        } catch {
          // As documented: there is no driver, or there are too many connections.
        }
      },
      requests: [
        { queue: 1, readable: packet(1) },
        { queue: 0, writable: [4096] },
        { queue: 1, readable: packet(5, 1, 2, 3) },
        { queue: 1, readable: packet(6) },
        { queue: 1, readable: packet(4) },
      ],
    };
  },
  fs: () => ({ device: new FsDevice("fs0", "share", sharedTree()), requests: [...fuseRequests()] }),
  "fs with DAX": () => ({
    device: new FsDevice("fs0", "share", sharedTree(), windowOf(1)),
    requests: [
      ...fuseRequests(),
      fuseRequest(Opcode.SETUPMAPPING, 2, words(0, 0, 0, 0, DAX_BLOCK, 0, 3, 0, 0, 0), 0),
      fuseRequest(Opcode.FSYNC, 2, words(1, 0, 0, 0), 0),
      fuseRequest(Opcode.REMOVEMAPPING, 2, words(1, 0, 0, DAX_BLOCK, 0), 0),
    ],
  }),

  "9p": () => {
    const request = (type: number, ...args: number[]) =>
      Uint8Array.of(7 + args.length, 0, 0, 0, type, 1, 0, ...args);
    return {
      device: new NinePDevice("fs1", "share", sharedTree()),
      requests: [
        // Tversion, Tattach, Twalk, Tlopen, Tread.
        {
          queue: 0,
          readable: [request(100, 0, 0, 1, 0, 8, 0, ...text("9P2000.L"))],
          writable: [64],
        },
        {
          queue: 0,
          readable: [request(104, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0)],
          writable: [64],
        },
        {
          queue: 0,
          readable: [request(110, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, ...text("a"))],
          writable: [64],
        },
        { queue: 0, readable: [request(12, 1, 0, 0, 0, 2, 0, 0, 0)], writable: [64] },
        {
          queue: 0,
          readable: [request(116, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0)],
          writable: [11, 64],
        },
      ],
    };
  },

  "boot timer": () => ({ device: new BootTimerDevice("timer0", () => {}), requests: [] }),
};
