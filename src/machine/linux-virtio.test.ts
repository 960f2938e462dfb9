/** Has the embedded Linux use disks and consoles with every pair of ring layouts and features. */
import { expect, it } from "vitest";
import { BlockDevice } from "../virtio/devices/block.ts";
import { ConsoleDevice } from "../virtio/devices/console.ts";
import { MemoryBlockBackend } from "../virtio/devices/memory-block-backend.ts";
import { bit, Feature } from "../virtio/spec.ts";
import { hasGuest, isNewerGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";
import { parseVirtioRule } from "./virtio-rules.ts";

interface Row {
  readonly packed: boolean;
  readonly indirect: boolean;
  readonly eventIdx: boolean;
  readonly inOrder: boolean;
}

const row = (packed: boolean, indirect: boolean, eventIdx: boolean, inOrder: boolean): Row => ({
  packed,
  indirect,
  eventIdx,
  inOrder,
});

/** Five rows in which any two columns have all four combinations. */
const ROWS: readonly Row[] = [
  row(false, false, false, false),
  row(false, true, true, true),
  row(true, false, true, true),
  row(true, true, false, true),
  row(true, true, true, false),
];

function choiceOf({ packed, indirect, eventIdx, inOrder }: Row) {
  const words = [
    packed ? "packed" : "split",
    ...(indirect ? [] : ["-INDIRECT_DESC"]),
    ...(eventIdx ? [] : ["-EVENT_IDX"]),
    ...(inOrder ? ["in-order"] : []),
  ];
  return parseVirtioRule(words.join(",")).choice;
}

/** A disk and a console with the features of one row; Linux has its own pair before them. */
class Pair {
  readonly row: Row;
  readonly disk: string;
  readonly terminal: string;
  readonly blockDevice: BlockDevice;
  readonly consoleDevice: ConsoleDevice;
  output = "";

  constructor(row: Row, index: number) {
    this.row = row;
    this.disk = `/dev/vd${"bcdef"[index]}`;
    this.terminal = `/dev/hvc${index + 1}`;
    this.blockDevice = new BlockDevice(
      `blk${index + 1}`,
      new MemoryBlockBackend({ sectors: 2048 }),
    );
    this.consoleDevice = new ConsoleDevice(`console${index + 1}`, {
      write: (bytes) => {
        this.output += new TextDecoder().decode(bytes);
        return true;
      },
    });
  }
}

it.skipIf(!hasGuest)(
  "Linux works with all pairs of ring layout and features",
  {
    timeout: 3 * LIMIT_MS,
  },
  async () => {
    const pairs = ROWS.map((row, index) => new Pair(row, index));
    const session = new LinuxSession({
      attach: (machine) => {
        for (const { row, blockDevice, consoleDevice } of pairs) {
          machine.attach(blockDevice, choiceOf(row));
          machine.attach(consoleDevice, choiceOf(row));
        }
      },
    });
    await session.until(PROMPT);

    await session.command("head -c 786432 /dev/urandom > /tmp/x");
    for (const { disk } of pairs) {
      const copy = `dd if=/tmp/x of=${disk} bs=64k conv=fsync; echo 3 > /proc/sys/vm/drop_caches`;
      const compare = `head -c 786432 ${disk} | cmp - /tmp/x && echo sa''me`;
      expect(await session.command(`${copy}; ${compare}`), disk).toContain("same");
    }

    for (const pair of pairs) {
      const { terminal, consoleDevice } = pair;
      session.type(`(seq 1 500; read x; echo got-$x) < ${terminal} > ${terminal}\n`);
      await session.runUntil(() => pair.output.includes("\n500\r"), `output of ${terminal}`);
      const numbers = Array.from({ length: 500 }, (_, i) => i + 1);
      expect(pair.output).toBe(`${numbers.join("\r\n")}\r\n`);
      const typed = "y".repeat(400);
      consoleDevice.input(new TextEncoder().encode(`${typed}\n`));
      await session.runUntil(() => pair.output.includes(`got-${typed}`), `echo of ${terminal}`);
    }

    const seen = session.machine.inspect().slots.map(({ device }) => device);
    for (const { row, blockDevice, consoleDevice } of pairs) {
      for (const { name } of [blockDevice, consoleDevice]) {
        const device = seen.find((other) => other.name === name)!;
        const isOffered = (feature: number) => (device.offeredFeatures & bit(feature)) !== 0n;
        const isTaken = (feature: number) => (device.driverFeatures & bit(feature)) !== 0n;
        expect(isTaken(Feature.RING_PACKED)).toBe(row.packed);
        expect(isTaken(Feature.INDIRECT_DESC)).toBe(row.indirect);
        expect(isTaken(Feature.EVENT_IDX)).toBe(row.eventIdx);
        expect(isOffered(Feature.IN_ORDER)).toBe(row.inOrder);
        // Linux 6.12 does not take this one, and must not mind that it is offered.
        expect(isTaken(Feature.IN_ORDER)).toBe(row.inOrder && isNewerGuest);
        const queues = device.queues.filter(({ chains }) => chains > 0);
        expect(queues.length).toBeGreaterThan(0);
        for (const { layout, malformed } of queues) {
          expect([layout, malformed]).toEqual([row.packed ? "packed" : "split", 0]);
        }
        expect(device.needsReset).toBeUndefined();
      }
    }
  },
);
