/**
 * The few host globals that the core may use: they exist alike in a Worker and in Node.
 * The core compiles without the DOM library, so everything else of a browser is out of its reach.
 */
declare namespace WebAssembly {
  function validate(bytes: ArrayBufferView | ArrayBuffer): boolean;
  class Module {
    constructor(bytes: ArrayBufferView | ArrayBuffer);
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
    grow(pages: number): number;
  }
  class Table {
    constructor(descriptor: { element: "anyfunc"; initial: number; maximum?: number });
    readonly length: number;
    get(index: number): unknown;
    set(index: number, value: unknown): void;
    grow(delta: number): number;
  }
}

declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes: ArrayBufferView, options?: { stream?: boolean }): string;
}

/** What comes out of a codec, and what goes in. */
interface CodecReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array<ArrayBuffer> | undefined }>;
  cancel(reason?: unknown): Promise<void>;
}
interface CodecWriter {
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
}

declare class CompressionStream {
  constructor(format: "gzip");
  readonly readable: { getReader(): CodecReader };
  readonly writable: { getWriter(): CodecWriter };
}

declare class DecompressionStream {
  constructor(format: "gzip");
  readonly readable: { getReader(): CodecReader };
  readonly writable: { getWriter(): CodecWriter };
}
