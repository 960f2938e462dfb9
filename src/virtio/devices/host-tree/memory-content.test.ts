import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BufferTarget } from "../../testing/buffer-target.ts";
import { type LazyBytes, MemoryContent, SpaceBudget } from "./memory-content.ts";

const KIB = 1024;

async function readAll(content: MemoryContent): Promise<Uint8Array> {
  const target = new BufferTarget(content.size);
  expect(await content.read(0, target)).toBe(content.size);
  return target.bytes;
}

const pattern = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => ((i + seed) * 31 + 1) & 0xff);

function lazy(bytes: Uint8Array): LazyBytes {
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.slice(offset, offset + length),
  };
}

const offset = fc.oneof(
  fc.nat(300 * KIB),
  fc.constantFrom(0, 1, 64 * KIB - 1, 64 * KIB, 128 * KIB, 192 * KIB),
);
const operation = fc.record({
  kind: fc.constantFrom("write", "truncate", "zero", "read"),
  offset,
  length: fc.oneof(fc.nat(150 * KIB), fc.constantFrom(0, 1, 64 * KIB, 128 * KIB)),
});

describe("the bytes of a file", () => {
  it.each([0, 100_000, 128 * KIB])("are what was written over a base of %i", async (size) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { maxLength: 8 }),
        fc.boolean(),
        async (operations, waits) => {
          const budget = new SpaceBudget(64 * KIB * KIB);
          const base = pattern(size, 99);
          const content = new MemoryContent(budget, size === 0 ? undefined : lazy(base));
          let model = Uint8Array.from(base);
          const resize = (to: number) => {
            const next = new Uint8Array(to);
            next.set(model.subarray(0, to));
            model = next;
          };
          const pending: unknown[] = [];
          operations.forEach(({ kind, offset, length }, i) => {
            if (kind === "write" && length > 0) {
              const bytes = pattern(length, i);
              pending.push(content.write(offset, [bytes.subarray(0, 7), bytes.subarray(7)]));
              if (offset + length > model.length) resize(offset + length);
              model.set(bytes, offset);
            } else if (kind === "truncate") {
              pending.push(content.truncate(offset));
              resize(offset);
            } else if (kind === "zero") {
              // Sizes are known only when what came before is done.
              const before = Promise.all(pending);
              if (waits || content.size !== model.length) return;
              pending.push(before, content.zero(offset, length));
              model.fill(0, offset, offset + length);
            } else {
              pending.push(content.read(offset, new BufferTarget(length)));
            }
          });
          await Promise.all(pending);
          expect(content.size).toBe(model.length);
          expect(Buffer.compare(await readAll(content), model)).toBe(0);
          expect(content.allocated).toBe(budget.used);
          content.free();
          expect(budget.used).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("take no more space than there is, and keep what fitted", async () => {
    const budget = new SpaceBudget(128 * KIB);
    const content = new MemoryContent(budget);
    expect(content.write(0, [new Uint8Array(200 * KIB).fill(1)])).toBe(128 * KIB);
    expect(content.size).toBe(128 * KIB);
    expect(() => content.write(128 * KIB, [Uint8Array.of(1)])).toThrow("ENOSPC");
    void content.truncate(0);
    expect(budget.used).toBe(0);
    // A hole costs nothing, and a small file little.
    void content.truncate(2 ** 50);
    void content.write(0, [Uint8Array.of(1)]);
    expect(budget.used).toBe(512);
    expect(() => content.truncate(2 ** 53)).toThrow("EFBIG");
  });

  it("fail to be read when their source has changed", async () => {
    const source = lazy(new Uint8Array(10));
    const content = new MemoryContent(new SpaceBudget(1e6), { ...source, size: 20 });
    await expect(content.read(0, new BufferTarget(20))).rejects.toThrow("EIO");
    await expect(content.write(3, [Uint8Array.of(1)])).rejects.toThrow("EIO");
    expect(content.write(20, [Uint8Array.of(1)])).toBeInstanceOf(Promise);
  });
});
