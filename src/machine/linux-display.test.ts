/** Boots the embedded Linux with a display. */
import { describe, expect, it } from "vitest";
import { GpuDevice } from "../virtio/devices/gpu.ts";
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
});
