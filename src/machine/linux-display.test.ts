/** Boots the embedded Linux with a display, and with a person at it. */
import { describe, expect, it } from "vitest";
import { GpuDevice } from "../virtio/devices/gpu.ts";
import { Led } from "../virtio/devices/input-codes.ts";
import { Keyboard, Tablet, Touchscreen } from "../virtio/devices/input-kinds.ts";
import { TestDisplay } from "../virtio/testing/test-display.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

/** The kernel's font has 8 by 16 pixels; this is its number sign, a byte for each row. */
const NUMBER_SIGN = [0, 0, 0, 0x6c, 0x6c, 0xfe, 0x6c, 0x6c, 0x6c, 0xfe, 0x6c, 0x6c, 0, 0, 0, 0];

/** The character cell at a column and a row of the text, as the font has it: bits of what is lit. */
function cell(display: TestDisplay, column: number, row: number): number[] {
  return NUMBER_SIGN.map((_, y) => {
    let bits = 0;
    for (let x = 0; x < 8; x++) {
      const [red] = display.pixel(8 * column + x, 16 * row + y);
      bits = (bits << 1) | (red > 0 ? 1 : 0);
    }
    return bits;
  });
}

describe.skipIf(!hasGuest)("Linux (skipped until the guest is built)", () => {
  it("has a console on the display, and follows its size", { timeout: LIMIT_MS }, async () => {
    const display = new TestDisplay();
    const gpu = new GpuDevice("gpu0", display, { width: 1024, height: 768 });
    const session = new LinuxSession({ attach: (machine) => void machine.attach(gpu) });
    await session.until(PROMPT);
    await session.runUntil(() => display.frame !== undefined, "frame buffer");
    await session.command("while ! ps | grep -q '[s]h -l'; do usleep 100000; done");
    expect(await session.command("cat /sys/class/graphics/fb0/virtual_size")).toContain("1024,768");
    expect(await session.command("stty size </dev/tty1")).toContain("48 128");
    expect(display.frame).toMatchObject({ width: 1024, height: 768 });

    // Hidden cursor, cleared screen, and one character on the third line.
    await session.command("printf '\\033[?25l\\033[2J\\033[3;6H#' > /dev/tty1; usleep 200000");
    expect(cell(display, 5, 2)).toEqual(NUMBER_SIGN);
    expect(cell(display, 6, 2)).toEqual(NUMBER_SIGN.map(() => 0));

    gpu.resize({ width: 800, height: 600 });
    await session.runUntil(() => display.frame?.width === 800, "smaller frame");
    expect(display.frame).toMatchObject({ width: 800, height: 600 });
    const modes = await session.command("cat /sys/class/drm/card0-Virtual-1/modes");
    expect(modes).toMatch(/modes; echo do''ne\r\n800x600\r\n/);
    expect(gpu.counters()).toMatchObject({ errors: 0 });
  });

  it("takes what is typed, pointed at and touched", { timeout: LIMIT_MS }, async () => {
    const keyboard = new Keyboard("keyboard0");
    const tablet = new Tablet("tablet0");
    const touch = new Touchscreen("touch0");
    const lights: number[][] = [];
    keyboard.device.onStatus = (...status) => lights.push(status);
    const session = new LinuxSession({
      attach: (machine) => {
        machine.attach(new GpuDevice("gpu0", new TestDisplay(), { width: 640, height: 480 }));
        for (const { device } of [keyboard, tablet, touch]) machine.attach(device);
      },
    });
    await session.until(PROMPT);
    await session.command("while ! ps | grep -q '[s]h -l'; do usleep 100000; done");
    const names = await session.command("cat /proc/bus/input/devices");
    for (const name of ["keyboard", "tablet", "touch screen"]) {
      expect(names).toContain(`N: Name="tabvisor ${name}"`);
    }
    // What the kernel read of the ranges: the tablet's axes and wheels, ten fingers.
    expect(names).toMatch(/tablet"[\s\S]*?B: REL=1940\s+B: ABS=3\s/);
    expect(names).toMatch(/touch screen"[\s\S]*?B: PROP=2[\s\S]*?B: ABS=260800000000003\s/);

    // echo Ok! > /tmp/f; the shell on tty1 reads it from the keyboard.
    const press = (...codes: string[]) => {
      for (const code of codes) keyboard.key(code, true);
      for (const code of codes.toReversed()) keyboard.key(code, false);
    };
    for (const letter of "ECHO") press(`Key${letter}`);
    press("Space");
    press("ShiftLeft", "KeyO");
    press("KeyK");
    press("ShiftLeft", "Digit1");
    press("ShiftRight", "Period");
    for (const code of ["Slash", "KeyT", "KeyM", "KeyP", "Slash", "KeyF", "Enter"]) press(code);
    const typed = await session.command("while [ ! -s /tmp/f ]; do usleep 50000; done; cat /tmp/f");
    expect(typed).toContain("Ok!\r\n");

    press("CapsLock");
    await session.runUntil(() => lights.length > 0, "light");
    expect(lights).toContainEqual([0x11, Led.CAPSL, 1]);

    /** What a program reads of an event device: time, type, code and value of each event. */
    const read = async (event: number, act: () => void) => {
      await session.command(`timeout 1 cat /dev/input/event${event} > /tmp/e & usleep 300000`);
      act();
      return session.command("wait; xxd -p -c 24 /tmp/e");
    };
    const pointed = await read(1, () => tablet.move(0.5, 1));
    expect(pointed).toMatch(/0300000000400000\s+\w{32}03000100ff7f0000\s+\w{32}0{16}/);
    const touched = await read(2, () => touch.touch(1, 1, 0.25));
    for (const event of ["03003900", "03003500ff7f0000", "0300360000200000", "01004a0101000000"]) {
      expect(touched).toMatch(new RegExp(`\\w{32}${event}`));
    }
  });
});
