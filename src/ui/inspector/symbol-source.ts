/** Brings the symbols of what runs to the inspector: the kernel's System.map, or files of a person's. */
import { useEffect } from "preact/hooks";
import type { Remote, SymbolFile } from "../../inspect/calls.ts";
import type { Session } from "../session.ts";
import { useAttempt, useLook } from "./panel.ts";

/** Beside an embedded kernel; kernels from elsewhere may have it too. */
const MAP_NAME = "System.map.gz";

/** Between two looks at the files, in ms. */
const FILES_MS = 1000;

export interface SymbolSource {
  readonly files: readonly SymbolFile[];
  readonly problem: string | undefined;
  readonly add: (files: Iterable<File>) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
}

/** Machines whose kernel's symbols have been looked for. */
const asked = new WeakSet<Remote>();

/** Symbols come by themselves where the kernel's System.map is beside it. */
export function useSymbols(machine: Remote, session: Session): SymbolSource {
  const { attempt, problem } = useAttempt();
  const files = useLook(() => machine.symbolFiles(), [machine], FILES_MS).value.value;
  const isEmpty = files?.length === 0;
  useEffect(() => {
    const url = mapBeside(session);
    if (!isEmpty || url === undefined || asked.has(machine)) return;
    asked.add(machine);
    void attempt(async () => {
      const response = await fetch(url);
      const isPage = response.headers.get("Content-Type")?.startsWith("text/html") ?? false;
      if (!response.ok || response.body === null || isPage) return;
      await machine.addSymbols("System.map", await unpacked(response.body));
    });
  }, [machine, isEmpty]);
  return {
    files: files ?? [],
    problem,
    add: (picked) =>
      attempt(async () => {
        for (const file of picked) {
          await machine.addSymbols(file.name, await unpacked(file.stream()));
        }
      }),
    remove: (name) => attempt(() => machine.removeSymbols(name)),
  };
}

function mapBeside(session: Session): string | undefined {
  const kernel = session.config.value?.kernel;
  return kernel?.kind === "url" ? new URL(MAP_NAME, kernel.url).href : undefined;
}

/** All bytes, out of a gzip file if it is one. */
async function unpacked(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array> {
  const packed = await new Response(stream).arrayBuffer();
  const [first, second] = new Uint8Array(packed, 0, Math.min(2, packed.byteLength));
  if (first !== 0x1f || second !== 0x8b) return new Uint8Array(packed);
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}
