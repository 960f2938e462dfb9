/** The input devices of a person: keyboard, absolute pointer, touch screen. */
import { type InputDescription, InputDevice, type InputEvent } from "./input.ts";
import {
  Absolute,
  Button,
  EventType,
  INPUT_PROP_DIRECT,
  KEY_CODES,
  Led,
  REPEAT_CODES,
  Relative,
} from "./input-codes.ts";

/** `BUS_VIRTUAL`; the rest is this monitor's own. */
const BUS_VIRTUAL = 0x06;
const VENDOR = 0x0627;
const VERSION = 1;

/** Coordinates go from 0 to this, whatever the size of the display. */
export const POINTER_MAX = 0x7fff;

/** Fingers at once. */
export const TOUCH_SLOTS = 10;

/** Tracking ids are 16 bits. */
const TRACKING_ID_MAX = 0xffff;

/** One notch of a wheel in high resolution. */
const WHEEL_NOTCH = 120;

const POSITION = { min: 0, max: POINTER_MAX };

function identify(name: string, product: number): Omit<InputDescription, "events"> {
  const ids = { bustype: BUS_VIRTUAL, vendor: VENDOR, product, version: VERSION };
  return { name: `tabvisor ${name}`, serial: `${product}`, ids };
}

const KEYBOARD: InputDescription = {
  ...identify("keyboard", 1),
  events: {
    [EventType.KEY]: Object.values(KEY_CODES).filter((code) => code !== undefined),
    [EventType.LED]: [Led.NUML, Led.CAPSL, Led.SCROLLL],
    [EventType.REP]: REPEAT_CODES,
  },
};

const TABLET: InputDescription = {
  ...identify("tablet", 2),
  events: {
    [EventType.KEY]: [Button.LEFT, Button.RIGHT, Button.MIDDLE, Button.SIDE, Button.EXTRA],
    [EventType.REL]: Object.values(Relative),
    [EventType.ABS]: [Absolute.X, Absolute.Y],
  },
  axes: { [Absolute.X]: POSITION, [Absolute.Y]: POSITION },
};

const TOUCHSCREEN: InputDescription = {
  ...identify("touch screen", 3),
  properties: [INPUT_PROP_DIRECT],
  events: {
    [EventType.KEY]: [Button.TOUCH],
    [EventType.ABS]: Object.values(Absolute),
  },
  axes: {
    [Absolute.X]: POSITION,
    [Absolute.Y]: POSITION,
    [Absolute.MT_SLOT]: { min: 0, max: TOUCH_SLOTS - 1 },
    [Absolute.MT_POSITION_X]: POSITION,
    [Absolute.MT_POSITION_Y]: POSITION,
    [Absolute.MT_TRACKING_ID]: { min: 0, max: TRACKING_ID_MAX },
  },
};

/** The keys or buttons of a device that are down. */
class Pressed {
  readonly #device: InputDevice;
  readonly #codes = new Set<number>();

  constructor(device: InputDevice) {
    this.#device = device;
  }

  /** Says so to the guest, unless it knows. */
  set(code: number, isDown: boolean): void {
    if (isDown === this.#codes.has(code)) return;
    if (isDown) this.#codes.add(code);
    else this.#codes.delete(code);
    this.#device.send([[EventType.KEY, code, isDown ? 1 : 0]]);
  }

  releaseAll(): void {
    for (const code of [...this.#codes]) this.set(code, false);
  }
}

export class Keyboard {
  readonly device: InputDevice;
  readonly #pressed: Pressed;

  constructor(name: string) {
    this.device = new InputDevice(name, KEYBOARD);
    this.#pressed = new Pressed(this.device);
  }

  /** A key by its `KeyboardEvent.code`; false if there is no such key. The guest repeats by itself. */
  key(code: string, isDown: boolean): boolean {
    const key = Object.hasOwn(KEY_CODES, code) ? KEY_CODES[code] : undefined;
    if (key === undefined) return false;
    this.#pressed.set(key, isDown);
    return true;
  }

  /** Lets go of all keys, because the host cannot tell any more which ones are down. */
  releaseAll(): void {
    this.#pressed.releaseAll();
  }
}

/** Buttons in the order of `MouseEvent.button`. */
const BUTTONS = [Button.LEFT, Button.MIDDLE, Button.RIGHT, Button.SIDE, Button.EXTRA];

export class Tablet {
  readonly device: InputDevice;
  readonly #pressed: Pressed;
  /** High-resolution wheel movement that is no whole notch yet. */
  #restX = 0;
  #restY = 0;

  constructor(name: string) {
    this.device = new InputDevice(name, TABLET);
    this.#pressed = new Pressed(this.device);
  }

  /** A position on the display, 0 to 1 from left and from top. */
  move(x: number, y: number): void {
    this.device.send([
      [EventType.ABS, Absolute.X, position(x)],
      [EventType.ABS, Absolute.Y, position(y)],
    ]);
  }

  /** A button by its `MouseEvent.button`. */
  button(index: number, isDown: boolean): void {
    const code = BUTTONS[index];
    if (code !== undefined) this.#pressed.set(code, isDown);
  }

  /** The wheel turned, in notches to the right and down; parts of a notch count. */
  wheel(right: number, down: number): void {
    const events: InputEvent[] = [];
    const turn = (highRes: number, notch: number, rest: number, units: number): number => {
      const sum = rest + units;
      const whole = Math.trunc(sum / WHEEL_NOTCH);
      if (units !== 0) events.push([EventType.REL, highRes, units]);
      if (whole !== 0) events.push([EventType.REL, notch, whole]);
      return sum - whole * WHEEL_NOTCH;
    };
    const { WHEEL, WHEEL_HI_RES, HWHEEL, HWHEEL_HI_RES } = Relative;
    // Up is positive in Linux.
    this.#restY = turn(WHEEL_HI_RES, WHEEL, this.#restY, wheelUnits(-down));
    this.#restX = turn(HWHEEL_HI_RES, HWHEEL, this.#restX, wheelUnits(right));
    if (events.length > 0) this.device.send(events);
  }

  releaseAll(): void {
    this.#pressed.releaseAll();
  }
}

/** Fingers as the multi-touch protocol with slots has them. */
export class Touchscreen {
  readonly device: InputDevice;
  /** The host's name of the finger in each slot. */
  readonly #slots: (number | undefined)[] = new Array<undefined>(TOUCH_SLOTS).fill(undefined);
  #nextId = 0;

  constructor(name: string) {
    this.device = new InputDevice(name, TOUCHSCREEN);
  }

  /** A finger is at that place of the display, 0 to 1; one too many is ignored. */
  touch(finger: number, x: number, y: number): void {
    const isFirst = this.#slots.every((other) => other === undefined);
    let slot = this.#slots.indexOf(finger);
    const isNew = slot < 0;
    if (isNew) slot = this.#slots.indexOf(undefined);
    if (slot < 0) return;
    this.#slots[slot] = finger;
    const events: InputEvent[] = [[EventType.ABS, Absolute.MT_SLOT, slot]];
    if (isNew) {
      events.push([EventType.ABS, Absolute.MT_TRACKING_ID, this.#nextId]);
      this.#nextId = (this.#nextId + 1) & TRACKING_ID_MAX;
    }
    events.push([EventType.ABS, Absolute.MT_POSITION_X, position(x)]);
    events.push([EventType.ABS, Absolute.MT_POSITION_Y, position(y)]);
    if (isFirst) events.push([EventType.KEY, Button.TOUCH, 1]);
    // Programs that know one finger look at these.
    if (this.#slots.findIndex((other) => other !== undefined) === slot) {
      events.push([EventType.ABS, Absolute.X, position(x)]);
      events.push([EventType.ABS, Absolute.Y, position(y)]);
    }
    this.device.send(events);
  }

  release(finger: number): void {
    const slot = this.#slots.indexOf(finger);
    if (slot < 0) return;
    this.#slots[slot] = undefined;
    const events: InputEvent[] = [
      [EventType.ABS, Absolute.MT_SLOT, slot],
      [EventType.ABS, Absolute.MT_TRACKING_ID, -1],
    ];
    const isLast = this.#slots.every((other) => other === undefined);
    if (isLast) events.push([EventType.KEY, Button.TOUCH, 0]);
    this.device.send(events);
  }

  releaseAll(): void {
    for (const finger of [...this.#slots]) if (finger !== undefined) this.release(finger);
  }
}

function position(share: number): number {
  return Math.round(Math.max(0, Math.min(1, share)) * POINTER_MAX);
}

function wheelUnits(notches: number): number {
  const units = Math.round(notches * WHEEL_NOTCH);
  return Math.max(-POINTER_MAX, Math.min(POINTER_MAX, units)) || 0;
}
