/** Turns what can go wrong into sentences for the person at the page. */
import type { DiskFault } from "../host/guest-disk.ts";
import { BaseImageError } from "../host/http-base.ts";
import { DiskError, type DiskProblem } from "../host/stored-disk.ts";
import { LoadError } from "../machine/load-error.ts";
import type { Problem } from "./protocol.ts";

const DISK_ADVICE: Record<DiskProblem, Pick<Problem, "advice" | "remedy">> = {
  busy: {
    advice:
      "Close the other tab and try again, start without a disk, or name another one: add ?disk=another to the address.",
    remedy: "no-disk",
  },
  name: { advice: "Use letters, digits, dots, dashes and spaces.", remedy: "no-disk" },
  unavailable: {
    advice:
      "Private windows and some settings forbid storage. Allow it for this site, or start without a disk.",
    remedy: "no-disk",
  },
  sealed: {
    advice: "Open the machine's file to go on with it. A new start makes that file useless.",
    remedy: "start-anew",
  },
  mismatch: {
    advice: "Reset the disk, which erases it, or name another one in the address.",
    remedy: "reset-disk",
  },
};

/** What to say about an error that kept a machine from starting. */
export function problemOf(error: unknown): Problem {
  if (error instanceof DiskError) return { what: error.message, ...DISK_ADVICE[error.problem] };
  if (error instanceof LoadError) {
    return { what: sentence(error.what), advice: sentence(error.advice) };
  }
  if (error instanceof BaseImageError) {
    return {
      what: error.message,
      advice: "Check the address of the disk image.",
      remedy: "no-disk",
    };
  }
  return {
    what: `The machine cannot start: ${textOf(error)}.`,
    advice: "This is a fault in tabvisor. Reload the page, and please report it if it stays.",
  };
}

/** What to say while the image under the disk cannot be had. */
export function baseNotice(error: unknown): Problem {
  const isPassing = error instanceof BaseImageError && error.isPassing;
  const waits = "The guest waits while it is asked for again, and is told if that does not help.";
  return { what: sentence(textOf(error)), advice: isPassing ? waits : "The guest was told." };
}

/** What to say when the browser would not store what the guest wrote, or not give it back. */
export function storageNotice(error: unknown, what: DiskFault): Problem {
  if (error instanceof BaseImageError) return baseNotice(error);
  if (what === "read") {
    return {
      what: `A part of the disk could not be read: ${textOf(error)}.`,
      advice: "The guest was told. If it does not pass, reload the page.",
    };
  }
  if (error instanceof DOMException && error.name === "NotFoundError") {
    return {
      what: "The browser has deleted this disk.",
      advice:
        "The guest was told. Copy what you need out of it while it runs; it cannot be stored.",
    };
  }
  if (error instanceof DOMException && error.name === "QuotaExceededError") {
    return {
      what: "This browser has no room left for the disk.",
      advice: "The guest was told. Free some space; what it wrote is kept in memory until then.",
    };
  }
  return {
    what: `The disk could not be stored: ${textOf(error)}.`,
    advice: "The guest was told. What it wrote is kept in memory while this tab is open.",
  };
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** An error in words, without a full stop. */
export function textOf(error: unknown): string {
  const text = error instanceof Error && error.message !== "" ? error.message : String(error);
  return text.replace(/\.$/, "");
}
