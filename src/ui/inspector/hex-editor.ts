/** Changes memory byte by byte: two hex digits write one, and the last changes can be taken back. */
import { type Signal, useSignal } from "@preact/signals";
import type { AddressKind, Remote } from "../../inspect/calls.ts";
import { hex, hexByte } from "./address-text.ts";
import type { Extent } from "./hex-rows.ts";
import { reasonOf } from "./reason.ts";

/** Changes that can be taken back: as many as a person remembers. */
export const MAX_CHANGES = 64;

const HINT = "Hex digits change the byte at the cursor, Ctrl+Z takes the last change back.";

interface Change {
  readonly physical: number;
  readonly before: Uint8Array;
}

/** With the newest last; the oldest are forgotten. */
export const withChange = (done: readonly Change[], change: Change): readonly Change[] =>
  [...done, change].slice(-MAX_CHANGES);

export interface HexEditor {
  /** The first digit of a byte whose second is awaited; else empty. */
  readonly typed: string;
  /** What was done last, or why it was not. */
  readonly message: string;
  readonly canUndo: boolean;
  /** Goes up whenever memory was changed. */
  readonly changes: number;
  moveTo(at: bigint): void;
  /** Whether the key was the editor's. */
  onKey(event: KeyboardEvent): boolean;
  undo(): void;
}

export interface HexEditorProps {
  readonly machine: Remote;
  readonly kind: AddressKind;
  readonly cursor: Signal<bigint>;
  readonly extent: Extent;
}

export function useHexEditor({ machine, kind, cursor, extent }: HexEditorProps): HexEditor {
  const typed = useSignal("");
  const message = useSignal(HINT);
  const changes = useSignal(0);
  /** The last one last. A physical address stays what it is when the guest changes its page tables. */
  const done = useSignal<readonly Change[]>([]);
  const act = async (work: () => Promise<string>): Promise<void> => {
    try {
      message.value = await work();
      changes.value++;
    } catch (error) {
      message.value = reasonOf(error);
    }
  };
  const write = async (at: bigint, byte: number): Promise<string> => {
    const [{ physical, bytes }] = await machine.memoryWrite(kind, at, Uint8Array.of(byte));
    if (physical === undefined || bytes === undefined) return "";
    done.value = withChange(done.value, { physical, before: bytes });
    return `${hex(at)} was ${hexByte(bytes[0])} and is ${hexByte(byte)} now.`;
  };
  const undo = async (): Promise<string> => {
    const last = done.value.at(-1);
    if (last === undefined) return "There is no change to take back.";
    done.value = done.value.slice(0, -1);
    await machine.memoryWrite("physical", BigInt(last.physical), last.before);
    return `${hex(last.physical)} is ${hexByte(last.before[0])} again.`;
  };
  const type = (digit: string): void => {
    typed.value += digit;
    if (typed.value.length < 2) return;
    const [at, byte] = [cursor.value, Number.parseInt(typed.value, 16)];
    typed.value = "";
    if (at + 1n < extent.end) cursor.value = at + 1n;
    void act(() => write(at, byte));
  };
  return {
    typed: typed.value,
    message: message.value,
    canUndo: done.value.length > 0,
    changes: changes.value,
    moveTo: (at) => {
      if (at !== cursor.value) typed.value = "";
      cursor.value = at;
    },
    onKey: (event) => {
      const { key, ctrlKey, metaKey, altKey } = event;
      const isCommand = ctrlKey || metaKey || altKey;
      if ((ctrlKey || metaKey) && key.toLowerCase() === "z") void act(undo);
      else if (!isCommand && /^[0-9a-f]$/i.test(key)) type(key);
      else if (key === "Escape" && typed.value !== "") typed.value = "";
      else return false;
      return true;
    },
    undo: () => void act(undo),
  };
}
