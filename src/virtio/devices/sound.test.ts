import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Status } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import { TestSound } from "../testing/test-sound.ts";
import { SOUND_INFO_MAX, SoundDevice } from "./sound.ts";
import { Direction, SoundCode, SoundStatus } from "./sound-protocol.ts";
import { SOUND_BUFFER_MAX } from "./sound-stream.ts";

const { OK, BAD_MSG, NOT_SUPP, IO_ERR } = SoundStatus;
const { PCM_PREPARE, PCM_START, PCM_STOP, PCM_RELEASE, PCM_SET_PARAMS } = SoundCode;
const BIG = 0xffff_ffff;
const [S16, STEREO, RATE_48000] = [5, 2, 7];

const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);

const LAYOUTS = [
  ["split", false],
  ["packed", true],
] as const;

function create({ packed = false } = {}) {
  const sound = new TestSound();
  const device = new SoundDevice("snd0", sound);
  const driver = new TestDriver(device, { packed, ramSize: 0x40_0000 }).start();
  const [control, events, tx, rx] = driver.queues;
  /** Sends a request; gives the status and the rest of the answer. */
  const ask = (request: Uint8Array, room = 4) => {
    const sent = control.add([request], [room]);
    control.kick();
    const [{ length }] = control.poll();
    const answer = control.written(sent).subarray(0, length);
    const status = length < 4 ? undefined : new DataView(answer.buffer).getUint32(0, true);
    return { status, data: answer.subarray(4) };
  };
  const command = (code: number, stream: number) => ask(words(code, stream)).status;
  const setParams = (stream: number, options: Partial<Params> = {}) => {
    const { buffer, period, features, channels, format, rate } = { ...PARAMS, ...options };
    const bytes = Uint8Array.of(channels, format, rate, 0);
    const head = words(PCM_SET_PARAMS, stream, buffer, period, features);
    return ask(Uint8Array.of(...head, ...bytes)).status;
  };
  const open = (stream: number) => {
    expect(setParams(stream)).toBe(OK);
    expect(command(PCM_PREPARE, stream)).toBe(OK);
  };
  const play = (...samples: number[]) => {
    const request = tx.add([words(0), Uint8Array.from(samples)], [8]);
    tx.kick();
    return request;
  };
  const statusOf = (request: ReturnType<typeof tx.add>, queue = tx) => {
    const bytes = queue.written(request);
    const data = new DataView(bytes.buffer, bytes.length - 8);
    return [data.getUint32(0, true), data.getUint32(4, true)];
  };
  return { sound, device, driver, events, tx, rx, ask, command, setParams, open, play, statusOf };
}

interface Params {
  buffer: number;
  period: number;
  features: number;
  channels: number;
  format: number;
  rate: number;
}
const PARAMS: Params = {
  buffer: 64,
  period: 16,
  features: 0,
  channels: STEREO,
  format: S16,
  rate: RATE_48000,
};

describe("information", () => {
  const query = (code: number, start: number, count: number, size: number) =>
    words(code, start, count, size);

  it("tells of one jack, stream and channel map for each direction", () => {
    const { driver, ask } = create();
    expect([0, 4, 8].map((at) => driver.config(at, 4))).toEqual([2, 2, 2]);
    const streams = ask(query(SoundCode.PCM_INFO, 0, 2, 32), 4 + 64);
    expect(streams.status).toBe(OK);
    expect([24, 25, 26].map((at) => streams.data[at])).toEqual([Direction.OUTPUT, 1, 2]);
    expect(streams.data[32 + 24]).toBe(Direction.INPUT);
    // Formats U8, S16, S32 and FLOAT; rates 8000 to 48000 and 96000.
    expect([...streams.data.subarray(8, 12)]).toEqual([0x30, 0, 0x0a, 0]);
    expect([...streams.data.subarray(16, 20)]).toEqual([0xfe, 0x04, 0, 0]);
    const jacks = ask(query(SoundCode.JACK_INFO, 1, 1, 24), 28);
    expect(jacks.data[16]).toBe(1);
    expect(jacks.data[12]).toBe(0x20);
    const maps = ask(query(SoundCode.CHMAP_INFO, 0, 2, 40), 4 + 80);
    expect([...maps.data.subarray(40, 52)]).toEqual([0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
  });

  it.each([
    [0, 0, 32],
    [0, 3, 32],
    [2, 1, 32],
    [1, 2, 32],
    [BIG, 1, 32],
    [1, BIG, 32],
    [0, 1, 31],
    [0, 1, SOUND_INFO_MAX + 1],
    [0, 2, BIG],
  ])("refuses a query of items from %i, %i of them, of %i bytes", (start, count, size) => {
    const { ask } = create();
    const answer = ask(query(SoundCode.PCM_INFO, start, count, size), 4096);
    expect(answer).toEqual({ status: BAD_MSG, data: new Uint8Array() });
  });

  it("needs room for all of the answer", () => {
    const { ask } = create();
    expect(ask(query(SoundCode.PCM_INFO, 0, 2, 32), 4 + 63).status).toBe(BAD_MSG);
    expect(ask(query(SoundCode.PCM_INFO, 0, 2, 32), 3).status).toBeUndefined();
    expect(ask(words(SoundCode.PCM_INFO, 0, 2), 100).status).toBe(BAD_MSG);
  });
});

describe("the life of a stream", () => {
  it("is what the specification says", () => {
    const states: { [state: string]: (gpu: ReturnType<typeof create>) => void } = {
      initial: () => {},
      set: ({ setParams }) => void setParams(0),
      prepared: ({ open }) => open(0),
      started: ({ open, command }) => {
        open(0);
        command(PCM_START, 0);
      },
      stopped: ({ open, command }) => {
        open(0);
        command(PCM_START, 0);
        command(PCM_STOP, 0);
      },
      released: ({ open, command }) => {
        open(0);
        command(PCM_RELEASE, 0);
      },
    };
    const allowed = Object.entries(states).map(([state, reach]) => {
      const works = (run: (rig: ReturnType<typeof create>) => unknown) => {
        const rig = create();
        reach(rig);
        return run(rig) === OK;
      };
      const commands = [
        works(({ setParams }) => setParams(0)) && "set",
        works(({ command }) => command(PCM_PREPARE, 0)) && "prepare",
        works(({ command }) => command(PCM_START, 0)) && "start",
        works(({ command }) => command(PCM_STOP, 0)) && "stop",
        works(({ command }) => command(PCM_RELEASE, 0)) && "release",
      ];
      return `${state}: ${commands.filter((name) => name !== false).join(" ")}`;
    });
    expect(allowed).toEqual([
      "initial: set",
      "set: set prepare",
      "prepared: set prepare start release",
      "started: stop",
      "stopped: start release",
      "released: set prepare",
    ]);
  });

  it("reaches the backend", () => {
    const { sound, open, command, driver } = create();
    open(0);
    command(PCM_START, 0);
    command(PCM_STOP, 0);
    command(PCM_RELEASE, 0);
    open(1);
    driver.start();
    expect(sound.log).toEqual([
      "play s16 2 48000",
      "start play",
      "stop play",
      "close play",
      "record s16 2 48000",
      "close record",
    ]);
  });

  it.each<[string, Partial<Params>, number]>([
    ["a feature", { features: 1 }, NOT_SUPP],
    ["no channels", { channels: 0 }, NOT_SUPP],
    ["too many channels", { channels: 3 }, NOT_SUPP],
    ["an unknown format", { format: 6 }, NOT_SUPP],
    ["an unknown rate", { rate: 13 }, NOT_SUPP],
    ["a period of nothing", { period: 0 }, BAD_MSG],
    ["a broken number of periods", { period: 15 }, BAD_MSG],
    ["a buffer that is too large", { buffer: SOUND_BUFFER_MAX * 2 }, BAD_MSG],
    ["the largest buffer", { buffer: SOUND_BUFFER_MAX, period: SOUND_BUFFER_MAX }, OK],
  ])("begins not with %s", (_what, options, status) => {
    expect(create().setParams(0, options)).toBe(status);
  });

  it("knows its own numbers and commands only", () => {
    const { ask, command, setParams } = create();
    expect(setParams(2)).toBe(BAD_MSG);
    expect(command(PCM_PREPARE, BIG)).toBe(BAD_MSG);
    expect(ask(words(PCM_PREPARE)).status).toBe(BAD_MSG);
    expect(ask(words(PCM_SET_PARAMS, 0, 64, 16, 0)).status).toBe(BAD_MSG);
    for (const code of [0, 2, 0x106, 0x201, 0x300, BIG]) {
      expect(command(code, 0)).toBe(NOT_SUPP);
    }
    expect(ask(Uint8Array.of(1, 1)).status).toBeUndefined();
  });
});

describe.each(LAYOUTS)("samples in a %s queue", (_layout, packed) => {
  it("come back when they have been played", () => {
    const { sound, open, command, play, tx, statusOf } = create({ packed });
    open(0);
    const first = play(1, 2, 3, 4);
    const second = play(5, 6, 7, 8);
    sound.pass();
    expect(tx.poll()).toEqual([]);
    command(PCM_START, 0);
    sound.pass(1);
    expect(tx.poll()).toEqual([{ id: first.id, length: 8 }]);
    expect(statusOf(first)).toEqual([OK, 4]);
    command(PCM_STOP, 0);
    sound.pass();
    expect(tx.poll()).toEqual([]);
    command(PCM_START, 0);
    sound.pass();
    expect(tx.poll()).toEqual([{ id: second.id, length: 8 }]);
    expect(sound.played).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("fill buffers when they have been recorded", () => {
    const { sound, open, command, rx, statusOf } = create({ packed });
    open(1);
    const requests = [rx.add([words(1)], [6, 2, 8]), rx.add([words(1)], [12])];
    rx.kick();
    command(PCM_START, 1);
    expect(rx.poll()).toEqual([]);
    sound.pass();
    expect(rx.poll()).toEqual(requests.map(({ id }, i) => ({ id, length: [16, 12][i] })));
    expect([...rx.written(requests[0])].slice(0, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...rx.written(requests[1])].slice(0, 4)).toEqual([8, 9, 10, 11]);
    expect(statusOf(requests[1], rx)).toEqual([OK, 0]);
  });

  it("come back before the answer to the command that releases them", () => {
    const { sound, open, command, play, tx, rx, device } = create({ packed });
    open(0);
    open(1);
    play(1, 2);
    rx.add([words(1)], [16]);
    rx.kick();
    expect(device.counters()).toMatchObject({ pending: 2 });
    expect(command(PCM_RELEASE, 0)).toBe(OK);
    expect(tx.poll()).toHaveLength(1);
    expect(command(PCM_RELEASE, 1)).toBe(OK);
    expect(rx.poll().map(({ length }) => length)).toEqual([0]);
    sound.pass();
    expect(sound.played).toEqual([]);
    expect(device.counters()).toMatchObject({ pending: 0 });
  });

  it("are refused where nobody listens, and beyond the buffer", () => {
    const { open, command, play, tx, rx, statusOf, setParams } = create({ packed });
    const early = play(1);
    setParams(0);
    const unprepared = play(1);
    open(0);
    const empty = play();
    const whole = play(...new Uint8Array(60));
    const many = play(1, 2, 3, 4, 5);
    const fits = play(1, 2, 3, 4);
    const other = tx.add([words(1), Uint8Array.of(1)], [8]);
    const unknown = tx.add([words(BIG), Uint8Array.of(1)], [8]);
    const short = tx.add([Uint8Array.of(0)], [8]);
    const mute = tx.add([words(0), Uint8Array.of(1)], [7]);
    tx.kick();
    expect(statusOf(many)).toEqual([IO_ERR, 0]);
    for (const bad of [early, unprepared, empty, other, unknown, short]) {
      expect(statusOf(bad)).toEqual([BAD_MSG, 0]);
    }
    const done = tx.poll();
    expect(done).not.toContainEqual(expect.objectContaining({ id: whole.id }));
    expect(done).not.toContainEqual(expect.objectContaining({ id: fits.id }));
    expect(done).toContainEqual({ id: mute.id, length: 0 });
    command(PCM_RELEASE, 0);
    expect(tx.poll().map(({ id }) => id)).toEqual([whole.id, fits.id]);
    open(1);
    const tiny = rx.add([words(1)], [8]);
    const none = rx.add([words(1)], [7]);
    rx.kick();
    expect(rx.poll()).toEqual([
      { id: tiny.id, length: 8 },
      { id: none.id, length: 0 },
    ]);
  });
});

describe("jacks", () => {
  it("tell the driver when it has a buffer", () => {
    const { device, events, ask } = create();
    device.setJack(Direction.INPUT, false);
    device.setJack(Direction.INPUT, true);
    device.setJack(Direction.INPUT, false);
    device.setJack(Direction.INPUT, false);
    const short = events.add([], [7]);
    const buffers = [events.add([], [8]), events.add([], [8])];
    events.kick();
    expect(events.poll()).toEqual([
      { id: short.id, length: 0 },
      { id: buffers[0].id, length: 8 },
    ]);
    expect([...events.written(buffers[0])]).toEqual([
      ...words(SoundCode.EVT_JACK_DISCONNECTED, Direction.INPUT),
    ]);
    expect(ask(words(SoundCode.JACK_INFO, 1, 1, 24), 28).data[16]).toBe(0);
    device.setJack(Direction.INPUT, true);
    expect([...events.written(buffers[1])].slice(0, 2)).toEqual([0, 0x10]);
  });
});

describe("a saved device", () => {
  it("plays on", () => {
    const { driver, open, command, play } = create();
    open(0);
    command(PCM_START, 0);
    play(1, 2, 3, 4);
    const saved = structuredClone(driver.transport.save());
    const sound = new TestSound();
    const device = new SoundDevice("snd0", sound);
    const next = new TestDriver(device, { ramSize: driver.ramSize });
    next.memory.write(0x8000_0000, driver.bytesAt(0x8000_0000, driver.ramSize));
    next.transport.load(saved);
    sound.pass();
    expect(sound.played).toEqual([1, 2, 3, 4]);
    expect(device.counters()).toMatchObject({ playing: 1, playedBytes: 4, pending: 0 });
  });
});

describe.each(LAYOUTS)("random requests in a %s queue", (_layout, packed) => {
  const id = fc.constantFrom(0, 1, 2, BIG);
  const code = fc.constantFrom(1, 0x100, 0x102, 0x103, 0x104, 0x105, 0x200, BIG);
  const size = fc.constantFrom(0, 1, 4, 7, 8, 9, 16, 64, 200);
  const action = fc.oneof(
    fc.record({ kind: fc.constant("ask" as const), code, id, size, room: size }),
    fc.record({ kind: fc.constant("set" as const), id, period: size }),
    fc.record({ kind: fc.constant("samples" as const), queue: fc.nat(1), id, size, room: size }),
    fc.record({ kind: fc.constant("pass" as const) }),
  );
  it("leave the device alive and complete in the end", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const rig = create({ packed });
        let sent = 0;
        let done = 0;
        for (const action of actions) {
          if (action.kind === "ask") {
            rig.ask(words(action.code, action.id, 1, action.size), action.room + 1);
          } else if (action.kind === "set") rig.setParams(action.id, { period: action.period });
          else if (action.kind === "samples") {
            const queue = [rig.tx, rig.rx][action.queue];
            queue.add([words(action.id), new Uint8Array(action.size)], [action.room + 1]);
            queue.kick();
            sent++;
          } else rig.sound.pass();
          done += rig.tx.poll().length + rig.rx.poll().length;
        }
        expect(rig.device.counters().pending).toBe(sent - done);
        expect(rig.driver.guardsIntact()).toBe(true);
        expect(rig.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
