/**
 * `npm run devices`: writes `docs/devices.md`, what each virtio device is and offers, from the devices
 * themselves. With `--check` it writes nothing, and fails if the document is not what it would write.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { DEBIAN_DRIVERS, driverOf, newerDriverOf } from "../src/machine/testing/guest-drivers.ts";
import type { VirtioDevice } from "../src/virtio/device.ts";
import { offeredFeatures } from "../src/virtio/features.ts";
import { bit, Feature } from "../src/virtio/spec.ts";
import { SPECIMENS } from "../src/virtio/testing/specimens.ts";

const FILE = new URL("../docs/devices.md", import.meta.url);
const MANIFEST = new URL("../public/guest/manifest.json", import.meta.url);

const HEAD = ["device", "id", "section", "queues", "driver", "Debian"];

/** The boot timer's is no number of the specification. */
const SPECIFIED_TYPES = 0x1_0000;

function namesIn(features: bigint, names: Readonly<Record<string, number>>): string {
  const found = Object.entries(names).filter(([, number]) => (features & bit(number)) !== 0n);
  return found.map(([name, number]) => `${name} ${number}`).join(", ") || "none";
}

interface Kind {
  /** The cells of a row. */
  readonly cells: readonly string[];
  readonly features: string;
}

/** What any of the devices of one type is. */
function kindOf(devices: readonly VirtioDevice[]): Kind {
  const [{ type, names }] = devices;
  const { title = "", chapter = "none", features: known = {} } = names ?? {};
  const queues = Math.max(...devices.map(({ queueSizes }) => queueSizes.length));
  const id = type < SPECIFIED_TYPES ? String(type) : `0x${type.toString(16)}`;
  const offered = devices.reduce((all, device) => all | device.features, 0n);
  const driver = driverOf.get(type) ?? "none";
  const newer = newerDriverOf.get(type) ?? "none";
  const others = namesIn(~offered, known);
  return {
    cells: [
      ...[title, id, chapter, String(queues)],
      driver === newer ? driver : `${newer} (newer)`,
      driver in DEBIAN_DRIVERS ? driver : "none",
    ],
    features: namesIn(offered, known) + (others === "none" ? "" : ` (or ${others})`),
  };
}

/** In columns, as the formatter wants them. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  const [head, ...body] = rows;
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(head), rule, ...body.map(line)].join("\n");
}

const devices = Object.values(SPECIMENS).map((specimen) => specimen().device);
const types = [...new Set(devices.map(({ type }) => type))].sort((a, b) => a - b);
const kinds = types.map((type) => kindOf(devices.filter((device) => device.type === type)));
const { kernel } = JSON.parse(readFileSync(MANIFEST, "utf8")) as {
  kernel: { version: string };
};
const text = `# Devices

Written by \`npm run devices\` from the devices themselves.

${table([HEAD, ...kinds.map(({ cells }) => cells)])}

Sections are those of the specification, version 1.4. The driver is the one that the embedded Linux
(${kernel.version}) was seen to drive the device with, by \`src/machine/linux-drivers.test.ts\`; where it says none,
only the tests' own driver (\`src/virtio/testing\`) has used the device. Where it says newer, that Linux has no driver,
and a newer one (7.2 as of this writing) was seen to use the device, by \`npm run test:newer\`. The last column is the
driver of Debian's own riscv64 kernel that was seen to find and use the device, by \`npm run test:debian\`; but for the
input device, that of Debian's next release was seen too.

## Features

Every device offers ${namesIn(offeredFeatures(0n), Feature)}; on
demand also ${namesIn(bit(Feature.RING_PACKED) | bit(Feature.IN_ORDER), Feature)}. Features of the devices themselves; those in brackets depend on what
is behind the device, such as a disk that is read-only:

${kinds.map(({ cells: [title], features }) => `- ${title}: ${features}`).join("\n")}
`;

if (process.argv.includes("--check")) {
  const isFresh = readFileSync(FILE, "utf8") === text;
  if (!isFresh) process.stderr.write("docs/devices.md is not what `npm run devices` writes\n");
  process.exitCode = isFresh ? 0 : 1;
} else {
  writeFileSync(FILE, text);
}
