/**
 * `npm run bench:notifications`: how often Linux's block driver and its device notify each other for a
 * request, with and without EVENT_IDX, over a disk that answers after a millisecond. Counts, not times.
 */
import { LinuxSession, PROMPT } from "../src/machine/testing/linux-session.ts";
import { parseVirtioRule } from "../src/machine/virtio-rules.ts";
import { BlockDevice } from "../src/virtio/devices/block.ts";
import type { BlockBackend } from "../src/virtio/devices/block-backend.ts";
import { MemoryBlockBackend } from "../src/virtio/devices/memory-block-backend.ts";

/** The second disk: the session has one of its own. */
const NAME = "bench0";
const DISK_BYTES = 64 << 20;
const ANSWER_MS = 1;

const LOADS = {
  "4 readers of 4 KiB":
    "for i in 1 2 3 4; do dd if=/dev/vdb of=/dev/null bs=4k count=300 iflag=direct skip=$((i*1000)) & done; wait",
  "read 32 MiB, cached": "dd if=/dev/vdb of=/dev/null bs=1M count=32 skip=20",
  "write 32 MiB and sync": "dd if=/dev/zero of=/dev/vdb bs=1M count=32; sync",
};

/** What a disk of the host's is: its answers come in another turn of the event loop. */
function slowDisk(): BlockBackend {
  const memory = new MemoryBlockBackend({ image: new Uint8Array(DISK_BYTES) });
  const later = (act: () => void) =>
    new Promise<void>((resolve) => {
      setTimeout(() => {
        act();
        resolve();
      }, ANSWER_MS);
    });
  return {
    sectors: memory.sectors,
    readOnly: false,
    id: NAME,
    read: (sector, target) => later(() => memory.read(sector, target)),
    // The parts are only lent for the call.
    write: (sector, parts) => {
      const kept = parts.map((part) => part.slice());
      return later(() => memory.write(sector, kept));
    },
    flush: () => later(() => {}),
  };
}

async function count(rule: string | undefined): Promise<void> {
  const block = new BlockDevice(NAME, slowDisk());
  const linux = new LinuxSession({
    attach: (machine) => machine.attach(block),
    append: "console=hvc0 quiet tabvisor.disk=none",
    ...(rule !== undefined && { virtio: [parseVirtioRule(rule)] }),
  });
  const look = () => {
    const snapshots = linux.machine.slots.occupied.map(({ transport }) => transport.inspect());
    const found = snapshots.find(({ name }) => name === NAME);
    if (found === undefined) throw new Error("the device is gone");
    const sum = (what: "kicks" | "notified" | "chains") =>
      found.queues.reduce((total, queue) => total + queue[what], 0);
    return { kicks: sum("kicks"), usedInterrupts: sum("notified"), requests: sum("chains") };
  };
  await linux.until(PROMPT);
  for (const [name, command] of Object.entries(LOADS)) {
    const before = look();
    await linux.command(command);
    const after = look();
    const requests = after.requests - before.requests;
    const cells = [
      (rule ?? "EVENT_IDX").padEnd(10),
      name.padEnd(22),
      String(requests).padStart(9),
      ((after.kicks - before.kicks) / requests).toFixed(3).padStart(10),
      ((after.usedInterrupts - before.usedInterrupts) / requests).toFixed(3).padStart(10),
    ];
    process.stdout.write(`${cells.join(" ")}\n`);
  }
}

process.stdout.write("features   load                    requests  kicks/req   irqs/req\n");
for (const rule of [undefined, "-EVENT_IDX"]) await count(rule);
process.exit(0);
