import { describe, expect, it } from "vitest";
import { PacedSound } from "./paced-sound.ts";

/** A clock that the test moves; timers may be made late. */
class Clock {
  now = 0;
  #timers: { at: number; callback: () => void }[] = [];

  nowMs(): number {
    return this.now;
  }

  sleep(ms: number, callback: () => void): () => void {
    const timer = { at: this.now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves on by `ms` in one step: whatever was due in between is late. */
  jump(ms: number): void {
    this.now += ms;
    for (;;) {
      const due = this.#timers.find(({ at }) => at <= this.now);
      if (due === undefined) return;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      due.callback();
    }
  }
}

/** 1000 bytes a second would be nice, but 8000 is a rate: 8 bytes are a millisecond. */
const FORMAT = { sample: "u8", channels: 1, rate: 8000 } as const;

function play() {
  const clock = new Clock();
  const heard: string[] = [];
  const sound = new PacedSound(clock, () => ({
    queued: (bytes) => heard.push(`queued ${bytes.length}`),
    played: (bytes) => heard.push(`played ${bytes.length}`),
    closed: (isCut) => heard.push(`closed ${isCut}`),
  }));
  const stream = sound.openPlayback(FORMAT);
  const done: string[] = [];
  const write = (ms: number, name: string) =>
    stream.write(new Uint8Array(8 * ms), () => done.push(`${name}@${clock.now}`));
  return { clock, stream, heard, done, write };
}

describe("playing", () => {
  it("takes its time", () => {
    const { clock, stream, done, write } = play();
    write(10, "a");
    write(20, "b");
    clock.jump(100);
    expect(done).toEqual([]);
    stream.start();
    clock.jump(9);
    expect(done).toEqual([]);
    clock.jump(1);
    clock.jump(20);
    expect(done).toEqual(["a@110", "b@130"]);
    clock.jump(50);
    write(5, "c");
    clock.jump(5);
    expect(done).toEqual(["a@110", "b@130", "c@185"]);
  });

  it("does not drift when timers are late", () => {
    const { clock, stream, done, write } = play();
    stream.start();
    for (const name of "abcd") write(10, name);
    clock.jump(25);
    expect(done).toEqual(["a@25", "b@25"]);
    clock.jump(5);
    clock.jump(10);
    expect(done.slice(2)).toEqual(["c@30", "d@40"]);
  });

  it("stands still in the middle", () => {
    const { clock, stream, done, write } = play();
    stream.start();
    write(10, "a");
    clock.jump(4);
    stream.stop();
    clock.jump(1000);
    stream.start();
    clock.jump(5);
    expect(done).toEqual([]);
    clock.jump(1);
    expect(done).toEqual(["a@1010"]);
  });

  it("goes on when more is written at the very end", () => {
    const { clock, stream, done } = play();
    stream.start();
    const again = (left: number): void =>
      stream.write(new Uint8Array(8), () => {
        done.push(`${clock.now}`);
        if (left > 0) again(left - 1);
      });
    again(2);
    clock.jump(1);
    clock.jump(1);
    clock.jump(1);
    expect(done).toEqual(["1", "2", "3"]);
  });

  it("tells a listener, and whether it was cut", () => {
    const { clock, stream, heard, write } = play();
    stream.start();
    write(1, "a");
    write(1, "b");
    clock.jump(1);
    stream.close();
    clock.jump(10);
    expect(heard).toEqual(["queued 8", "queued 8", "played 8", "closed true"]);
  });
});

describe("recording", () => {
  it("gives silence in its time", () => {
    const clock = new Clock();
    const stream = new PacedSound(clock).openCapture(FORMAT);
    const got: number[][] = [];
    stream.read(16, (bytes) => got.push([clock.now, bytes.length, bytes[0]]));
    stream.start();
    clock.jump(2);
    expect(got).toEqual([[2, 16, 0x80]]);
    stream.read(16, (bytes) => got.push([...bytes]));
    stream.close();
    clock.jump(10);
    expect(got).toHaveLength(1);
    const other = new PacedSound(clock).openCapture({ sample: "s16", channels: 2, rate: 48_000 });
    other.start();
    other.read(4 * 48, (bytes) => got.push([clock.now, ...new Set(bytes)]));
    clock.jump(1);
    expect(got[1]).toEqual([13, 0]);
  });
});
