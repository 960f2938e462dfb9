import fc from "fast-check";
import { expect, it } from "vitest";
import { SendBuffer } from "./send-buffer.ts";

it("behaves like a list of bytes", () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat(40_000) }),
    fc.record({ consume: fc.nat(40_000) }),
    fc.constant("trim" as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const buffer = new SendBuffer();
      let model = new Uint8Array(0);
      let next = 0;
      for (const action of steps) {
        if (action === "trim") {
          buffer.trim();
        } else if ("push" in action) {
          const bytes = Uint8Array.from({ length: action.push }, () => next++);
          buffer.push(bytes);
          model = Uint8Array.from([...model, ...bytes]);
        } else {
          const count = Math.min(action.consume, model.length);
          buffer.consume(count);
          model = model.slice(count);
        }
        expect(buffer.length).toBe(model.length);
        const from = Math.floor(model.length / 3);
        const copied = new Uint8Array(2 + model.length - from);
        if (model.length > 0) buffer.copy(from, model.length - from, copied, 2);
        expect(Buffer.compare(copied.subarray(2), model.subarray(from))).toBe(0);
      }
    }),
    { numRuns: 30 },
  );
});
