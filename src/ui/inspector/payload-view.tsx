/** What a request says as a tree of fields, and its bytes, of which those of a field are marked. */
import "./payload-view.css";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Field } from "../../inspect/calls.ts";
import { FieldTree } from "./field-tree.tsx";
import { HexDump } from "./hex-dump.tsx";

export interface PayloadViewProps {
  readonly fields: readonly Field[];
  /** From which offset on fields are of what the device wrote. */
  readonly writtenAt: number;
  /** Of both parts the bytes that are known, and how many there are. */
  readonly readable: Uint8Array;
  readonly readableLength: number;
  readonly written: Uint8Array;
  readonly writtenLength: number;
}

export function PayloadView(props: PayloadViewProps): JSX.Element {
  const { fields, writtenAt, readable, readableLength, written, writtenLength } = props;
  const field = useSignal<Field | undefined>(undefined);
  const { offset = 0, length = 0 } = field.value ?? {};
  const isWritten = offset >= writtenAt;
  const marked = (isOf: boolean, base: number) =>
    isOf ? { start: offset - base, end: offset - base + length } : { start: 0, end: 0 };
  return (
    <div class="payload">
      <FieldTree fields={fields} onField={(pointed) => (field.value = pointed)} />
      <div class="payload-bytes">
        {readable.length > 0 && (
          <HexDump
            label="From the driver"
            bytes={readable}
            total={readableLength}
            {...marked(!isWritten, 0)}
          />
        )}
        {written.length > 0 && (
          <HexDump
            label="From the device"
            bytes={written}
            total={writtenLength}
            {...marked(isWritten, writtenAt)}
          />
        )}
      </div>
    </div>
  );
}
