/** What a monitor says of itself: the base block of VESA E-EDID 1.4, with one preferred mode. */

/** Sizes that a detailed timing can tell: 12 bits, and not less than a driver takes for a screen. */
export const DISPLAY_SIZE_MIN = 64;
export const DISPLAY_SIZE_MAX = 4095;

const BLOCK_SIZE = 128;
const HEADER = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
/** Three letters, five bits each: "TAB". */
const MANUFACTURER = (20 << 10) | (1 << 5) | 2;
const PRODUCT = 1;
/** Years count from 1990. */
const MODEL_YEAR = 2025 - 1990;
/** Digital, 8 bits per colour, DisplayPort. */
const VIDEO_INPUT = 0xa5;
/** 2.2, as hundredths above 1. */
const GAMMA = 120;
/** sRGB is the default; the preferred mode is the native one. */
const FEATURES = 0x06;
/** Ten-bit coordinates of sRGB's red, green, blue and white. */
const CHROMATICITY = [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];
/** 640x480, 800x600 and 1024x768 at 60 Hz, as bits of bytes 35 and 36 and their sizes. */
const ESTABLISHED = [
  { at: 35, bit: 0x20, width: 640, height: 480 },
  { at: 35, bit: 0x01, width: 800, height: 600 },
  { at: 36, bit: 0x08, width: 1024, height: 768 },
] as const;

const DESCRIPTORS_AT = 54;
const DESCRIPTOR_SIZE = 18;
const NAME_TAG = 0xfc;
const RANGE_TAG = 0xfd;

const MM_PER_INCH = 25.4;
const DOTS_PER_INCH = 96;

/** Reduced blanking of VESA's Coordinated Video Timings 1.2, in pixels, lines and microseconds. */
const H_BLANK = 160;
const H_FRONT = 48;
const H_SYNC = 32;
const V_FRONT = 3;
const V_SYNC = 6;
const V_BACK_MIN = 6;
const V_BLANK_US = 460;
const REFRESH_HZ = 60;
/** The pixel clock has 16 bits, in units of 10 kHz. */
const CLOCK_MAX_10KHZ = 0xffff;

/** The block for a screen of that size in pixels. */
export function edidBlock(width: number, height: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK_SIZE);
  const data = new DataView(block.buffer);
  block.set(HEADER);
  data.setUint16(8, MANUFACTURER);
  data.setUint16(10, PRODUCT, true);
  block[17] = MODEL_YEAR;
  // A model year in place of a week.
  block[16] = 0xff;
  block.set([1, 4, VIDEO_INPUT], 18);
  block.set([centimetres(width), centimetres(height), GAMMA, FEATURES], 21);
  block.set(CHROMATICITY, 25);
  for (const mode of ESTABLISHED) {
    if (mode.width <= width && mode.height <= height) block[mode.at] |= mode.bit;
  }
  // No standard timings.
  block.fill(0x01, 38, DESCRIPTORS_AT);
  block.set(detailedTiming(width, height), DESCRIPTORS_AT);
  block.set(textDescriptor(NAME_TAG, "tabvisor"), DESCRIPTORS_AT + DESCRIPTOR_SIZE);
  block.set(rangeLimits(width, height), DESCRIPTORS_AT + 2 * DESCRIPTOR_SIZE);
  // The last descriptor is a dummy.
  block[DESCRIPTORS_AT + 3 * DESCRIPTOR_SIZE + 3] = 0x10;
  block[BLOCK_SIZE - 1] = -block.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return block;
}

function detailedTiming(width: number, height: number): Uint8Array {
  const { vBlank, clock } = timing(width, height);
  const mm = [millimetres(width), millimetres(height)];
  return Uint8Array.of(
    clock & 0xff,
    clock >> 8,
    width & 0xff,
    H_BLANK & 0xff,
    ((width >> 8) << 4) | (H_BLANK >> 8),
    height & 0xff,
    vBlank & 0xff,
    ((height >> 8) << 4) | (vBlank >> 8),
    H_FRONT,
    H_SYNC,
    (V_FRONT << 4) | V_SYNC,
    0,
    mm[0] & 0xff,
    mm[1] & 0xff,
    ((mm[0] >> 8) << 4) | (mm[1] >> 8),
    0,
    0,
    // Separate digital sync, horizontal positive, vertical negative: reduced blanking's mark.
    0x1a,
  );
}

/** Blank lines, and the pixel clock in 10 kHz: 60 Hz, or as many as the clock's 16 bits allow. */
function timing(width: number, height: number): { vBlank: number; clock: number } {
  const lineUs = (1e6 / REFRESH_HZ - V_BLANK_US) / height;
  const vBlank = Math.max(Math.floor(V_BLANK_US / lineUs) + 1, V_FRONT + V_SYNC + V_BACK_MIN);
  const clock = Math.round((REFRESH_HZ * (width + H_BLANK) * (height + vBlank)) / 1e4);
  return { vBlank, clock: Math.min(clock, CLOCK_MAX_10KHZ) };
}

function textDescriptor(tag: number, text: string): Uint8Array {
  const descriptor = new Uint8Array(DESCRIPTOR_SIZE).fill(0x20, 5);
  descriptor[3] = tag;
  descriptor.set(new TextEncoder().encode(`${text}\n`), 5);
  return descriptor;
}

/** Rates that include the preferred mode's: vertical in Hz, horizontal in kHz, clock in 10 MHz. */
function rangeLimits(width: number, height: number): Uint8Array {
  const { vBlank, clock } = timing(width, height);
  const lineKhz = (clock * 10) / (width + H_BLANK);
  const frameHz = (lineKhz * 1000) / (height + vBlank);
  const descriptor = new Uint8Array(DESCRIPTOR_SIZE).fill(0x20, 12);
  descriptor[3] = RANGE_TAG;
  descriptor[5] = Math.max(1, Math.min(50, Math.floor(frameHz)));
  descriptor[6] = 75;
  descriptor[7] = Math.max(1, Math.min(30, Math.floor(lineKhz)));
  descriptor[8] = Math.min(255, Math.max(160, Math.ceil(lineKhz)));
  descriptor[9] = Math.ceil(clock / 1000);
  // Nothing but the limits.
  descriptor[10] = 0x01;
  descriptor[11] = 0x0a;
  return descriptor;
}

function millimetres(pixels: number): number {
  return Math.round((pixels / DOTS_PER_INCH) * MM_PER_INCH);
}

function centimetres(pixels: number): number {
  return Math.min(255, Math.max(1, Math.round(millimetres(pixels) / 10)));
}
