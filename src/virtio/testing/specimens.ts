/**
 * One device of each kind for the tests that hold for all of them: malformed input, properties,
 * floods and the fuzzer. A new device joins with one entry.
 */
import { cryptoAlgorithms } from "../../host/crypto-algorithms.ts";
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
import { MemDevice, MemRequest } from "../devices/mem.ts";
import { MemoryBlockBackend } from "../devices/memory-block-backend.ts";
import { NetDevice } from "../devices/net.ts";
import { PmemDevice, PmemRequest } from "../devices/pmem.ts";
import { RtcDevice, RtcMessage } from "../devices/rtc.ts";
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
import {
  filled,
  type HonestRequest,
  SPARE_PAGE,
  type Specimens,
  WINDOW,
  windowOf,
  words,
} from "./specimen.ts";
import { FILE_SPECIMENS } from "./specimens-files.ts";
import { MEDIA_SPECIMENS } from "./specimens-media.ts";

/** A modulus of 512 bits that is no product of primes, with the exponent 3: the device cannot know. */
const RSA_PUBLIC_KEY = Uint8Array.of(0x30, 0x46, 2, 0x41, 0, ...filled(64, 0xff), 2, 1, 3);

/** Each is given a host that has something to give. */
export const SPECIMENS: Specimens = {
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
  ...MEDIA_SPECIMENS,
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
  ...FILE_SPECIMENS,
  "boot timer": () => ({ device: new BootTimerDevice("timer0", () => {}), requests: [] }),
};
