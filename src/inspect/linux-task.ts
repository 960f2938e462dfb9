/** Which task a Linux guest runs, by its name. */
import type { HartPort } from "../cpu/hart-port.ts";
import { csr } from "./hart-state.ts";
import type { Symbols } from "./symbols.ts";
import type { VirtualMemory } from "./virtual-memory.ts";

/** The first task, whose name is known: that tells where a `task_struct` has it. */
const FIRST_TASK = { symbol: "init_task", name: "swapper" } as const;

/** TASK_COMM_LEN. */
const NAME_BYTES = 16;

/** More than any configuration's `task_struct`. */
const MAX_TASK_BYTES = 0x4000;

const LATIN1 = new TextDecoder("latin1");
const TP = 4;
const KERNEL_HALF = 1n << 63n;

export class LinuxTasks {
  readonly #symbols: Symbols;
  #firstTask: bigint | undefined;
  #nameAt: bigint | undefined;

  constructor(symbols: Symbols) {
    this.#symbols = symbols;
  }

  /** The name of the task that runs; undefined if the guest is no Linux whose symbols are known. */
  current(hart: HartPort, memory: VirtualMemory): string | undefined {
    const nameAt = this.#findName(memory);
    // The kernel keeps its task in tp; while user mode runs it is in sscratch.
    const task = hart.mode() === "S" ? hart.getX(TP) : csr(hart, "sscratch");
    if (nameAt === undefined || hart.mode() === "M" || task < KERNEL_HALF) return undefined;
    const bytes = memory.read(task + nameAt, NAME_BYTES);
    const name = bytes && LATIN1.decode(bytes).split("\0")[0];
    return name !== undefined && /^[\x20-\x7e]+$/.test(name) ? name : undefined;
  }

  /** The name's offset in a `task_struct`. */
  #findName(memory: VirtualMemory): bigint | undefined {
    const first = this.#symbols.address(FIRST_TASK.symbol);
    if (first === undefined || (first === this.#firstTask && this.#nameAt !== undefined)) {
      return first === undefined ? undefined : this.#nameAt;
    }
    const bytes = memory.read(first, MAX_TASK_BYTES);
    if (bytes === undefined) return undefined;
    const at = LATIN1.decode(bytes).indexOf(FIRST_TASK.name);
    this.#firstTask = first;
    this.#nameAt = at < 0 ? undefined : BigInt(at);
    return this.#nameAt;
  }
}
