/** Boots the embedded Linux with a sound card. */
import { describe, expect, it } from "vitest";
import { SoundDevice } from "../virtio/devices/sound.ts";
import { TestSound } from "../virtio/testing/test-sound.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

/** A period of the kernel's emulation of /dev/dsp, which fills up the last one. */
const PERIOD = 4096;

describe.skipIf(!hasGuest)("Linux (skipped until the guest is built)", () => {
  it("plays and records what goes through /dev/dsp", { timeout: LIMIT_MS }, async () => {
    const sound = new TestSound();
    const device = new SoundDevice("snd0", sound);
    const session = new LinuxSession({ attach: (machine) => void machine.attach(device) });
    await session.until(PROMPT);
    await session.command("while [ ! -e /dev/snd/pcmC0D0p ]; do usleep 50000; done");
    await session.command("modprobe snd-pcm-oss");

    const time = setInterval(() => sound.pass(1), 5);
    await session.command("seq 1 9000 > /tmp/samples; cat /tmp/samples > /dev/dsp");
    const samples = Array.from({ length: 9000 }, (_, i) => `${i + 1}\n`).join("");
    const played = new TextDecoder("latin1").decode(Uint8Array.from(sound.played));
    expect(played.length).toBe(Math.ceil(samples.length / PERIOD) * PERIOD);
    expect(played.startsWith(samples)).toBe(true);
    expect(sound.log).toEqual(["play u8 1 8000", "start play", "stop play", "close play"]);

    // Recordings are the bytes counted up, so each position tells what has to be there.
    await session.command("head -c 16384 /dev/dsp > /tmp/recorded");
    const sum = "lua -e 'for i=0,16383 do io.write(string.char(i%256)) end' | md5sum";
    const sums = await session.command(`${sum}; md5sum < /tmp/recorded`);
    const [expected, recorded] = sums.match(/[0-9a-f]{32}/g) ?? [];
    expect(recorded).toBe(expected);
    expect(expected).toBeDefined();
    clearInterval(time);
    expect(device.counters()).toMatchObject({ refused: 0, pending: 0, playedBytes: played.length });
  });
});
