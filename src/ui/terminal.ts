/** The guest's console on the page: xterm.js, its add-ons, its colours and its keys. */
import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { nextTask } from "./next-task.ts";
import type { Screen } from "./session.ts";

/** Lines kept above the screen. */
const SCROLLBACK_LINES = 5000;

/** How long after the start the parts are loaded that nobody needs for the first prompt, in ms. */
const EXTRAS_MS = 2500;

const DARK: ITheme = {
  background: "#0e1216",
  foreground: "#d5dde5",
  cursor: "#5fd3a4",
  cursorAccent: "#0e1216",
  selectionBackground: "#2f4a63",
  black: "#2b333c",
  red: "#f07178",
  green: "#7fd88f",
  yellow: "#e6c06c",
  blue: "#6cb2f5",
  magenta: "#c792ea",
  cyan: "#62d0d8",
  white: "#c8d0d9",
  brightBlack: "#74808d",
  brightRed: "#ff8b92",
  brightGreen: "#a2ecae",
  brightYellow: "#ffd98a",
  brightBlue: "#92caff",
  brightMagenta: "#dcb0ff",
  brightCyan: "#8ce8ee",
  brightWhite: "#f4f7fa",
};

const LIGHT: ITheme = {
  background: "#fdfdfc",
  foreground: "#1d252d",
  cursor: "#0b7a53",
  cursorAccent: "#fdfdfc",
  selectionBackground: "#bcd9f5",
  black: "#1d252d",
  red: "#b3261e",
  green: "#1a6e35",
  yellow: "#7d5700",
  blue: "#0b57b0",
  magenta: "#7b2fa8",
  cyan: "#00656d",
  white: "#59636e",
  brightBlack: "#56606b",
  brightRed: "#c9342c",
  brightGreen: "#227f41",
  brightYellow: "#8a6100",
  brightBlue: "#1b67c4",
  brightMagenta: "#8c3fba",
  brightCyan: "#0a747d",
  brightWhite: "#343d47",
};

export interface TerminalOptions {
  readonly onInput: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly onResize: () => void;
  /** The person wants the keyboard to leave the terminal. */
  readonly onLeave: () => void;
}

export interface GuestTerminal extends Screen {
  /** All text of the scrollback and the screen. */
  text(): string;
  /** Sends text as if it were typed. */
  type(text: string): void;
  focus(): void;
}

/**
 * Opens a terminal that fills `parent` and follows its size. In several tasks: in one it is the longest
 * of the page's start, while keys and pictures wait.
 */
export async function openTerminal(
  parent: HTMLElement,
  options: TerminalOptions,
): Promise<GuestTerminal> {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const terminal = new Terminal({
    allowProposedApi: true,
    // A blinking cursor costs ten times the processor time of the idle guest behind it.
    cursorBlink: false,
    fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace',
    fontSize: 14,
    lineHeight: 1.15,
    minimumContrastRatio: 4.5,
    scrollback: SCROLLBACK_LINES,
    theme: dark.matches ? DARK : LIGHT,
  });
  dark.addEventListener("change", () => {
    terminal.options.theme = dark.matches ? DARK : LIGHT;
  });
  await nextTask();
  terminal.open(parent);
  await nextTask();
  keepFitting(terminal, parent, options.onResize);
  connectInput(terminal, options);
  terminal.textarea?.setAttribute("aria-label", "Terminal; Shift and F6 leave it");
  setTimeout(() => void loadExtras(terminal), EXTRAS_MS);
  return {
    get columns() {
      return terminal.cols;
    },
    get rows() {
      return terminal.rows;
    },
    write: writer(terminal),
    clear: () => terminal.reset(),
    text: () => textOf(terminal),
    type: (text) => terminal.input(text),
    focus: () => terminal.focus(),
  };
}

/**
 * Writes to the terminal. The widths of characters beyond ASCII are a large table, which is loaded when
 * the first of them comes; what is written meanwhile waits for it.
 */
function writer(terminal: Terminal): Screen["write"] {
  let loading: Promise<void> | undefined;
  let isLoaded = false;
  return (bytes, shown) => {
    if (isLoaded || (loading === undefined && bytes.every((byte) => byte < 0x80))) {
      terminal.write(bytes, shown);
      return;
    }
    loading ??= loadWidths(terminal).then(() => {
      isLoaded = true;
    });
    void loading.then(() => terminal.write(bytes, shown));
  };
}

async function loadWidths(terminal: Terminal): Promise<void> {
  try {
    const { UnicodeGraphemesAddon } = await import("@xterm/addon-unicode-graphemes");
    terminal.loadAddon(new UnicodeGraphemesAddon());
  } catch {
    // Without it some characters take up the wrong number of columns.
  }
}

function keepFitting(terminal: Terminal, parent: HTMLElement, onResize: () => void): void {
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  fit.fit();
  terminal.onResize(onResize);
  let pending = 0;
  const observer = new ResizeObserver(() => {
    // One fit for each frame at most: a window that is dragged reports far more often.
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => fit.fit());
  });
  observer.observe(parent);
}

function connectInput(terminal: Terminal, { onInput, onLeave }: TerminalOptions): void {
  const encoder = new TextEncoder();
  terminal.onData((text) => onInput(encoder.encode(text)));
  // Some mouse reports are bytes that are not UTF-8.
  terminal.onBinary((text) => onInput(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type !== "keydown") return true;
    // Tab is the guest's, so that the keyboard needs another way out of the terminal.
    if (event.shiftKey && event.key === "F6") onLeave();
    else if (event.ctrlKey && event.shiftKey && event.code === "KeyC") copySelection(terminal);
    else return true;
    // Ctrl-Shift-C opens the developer tools of some browsers.
    event.preventDefault();
    return false;
  });
}

function copySelection(terminal: Terminal): void {
  if (terminal.hasSelection()) void navigator.clipboard.writeText(terminal.getSelection());
}

async function loadExtras(terminal: Terminal): Promise<void> {
  const { WebLinksAddon } = await import("@xterm/addon-web-links");
  terminal.loadAddon(new WebLinksAddon());
  if (!hasFastWebGl()) return;
  const { WebglAddon } = await import("@xterm/addon-webgl");
  try {
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => webgl.dispose());
    terminal.loadAddon(webgl);
  } catch {
    // The DOM renderer, which every browser has, stays.
  }
}

/** Whether WebGL is there and drawn by hardware: in software it is slower than the DOM. */
function hasFastWebGl(): boolean {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (context === null) return false;
  // Not every browser admits the caveat, but each names what draws.
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = names === null ? "" : context.getParameter(names.UNMASKED_RENDERER_WEBGL);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|software/i.test(String(renderer));
}

function textOf(terminal: Terminal): string {
  const buffer = terminal.buffer.active;
  let text = "";
  for (let y = 0; y < buffer.length; y++) {
    const line = buffer.getLine(y)!;
    if (y > 0 && !line.isWrapped) text += "\n";
    // A wrapped line continues, so the blanks at its end are part of it.
    text += line.translateToString(buffer.getLine(y + 1)?.isWrapped !== true);
  }
  return text.trimEnd();
}
