/**
 * `npm run devices`: writes `docs/devices.md`, what each virtio device is and offers, from the devices
 * themselves. With `--check` it writes nothing, and fails if the document is not what it would write.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { driverOf } from "../src/machine/testing/guest-drivers.ts";
import type { VirtioDevice } from "../src/virtio/device.ts";
import { offeredFeatures } from "../src/virtio/features.ts";
import { bit, Feature } from "../src/virtio/spec.ts";
import { SPECIMENS } from "../src/virtio/testing/specimens.ts";

const FILE = new URL("../docs/devices.md", import.meta.url);
const MANIFEST = new URL("../public/guest/manifest.json", import.meta.url);

/** The boot timer's is no number of the specification. */
const SPECIFIED_TYPES = 0x1_0000;

function namesIn(features: bigint, names: Readonly<Record<string, number>>): string {
  const found = Object.entries(names).filter(([, number]) => (features & bit(number)) !== 0n);
  return found.map(([name, number]) => `${name} ${number}`).join(", ") || "none";
}

/** Those that are offered, and those that would be over another host's side. */
function featuresCell(features: bigint, names: Readonly<Record<string, number>>): string {
  const others = namesIn(~features, names);
  return namesIn(features, names) + (others === "none" ? "" : ` (or ${others})`);
}

/** One row for a type, with what any device of it offers. */
function row(devices: readonly VirtioDevice[]): string {
  const [{ type, names }] = devices;
  const features = devices.reduce((all, device) => all | device.features, 0n);
  const queues = Math.max(...devices.map(({ queueSizes }) => queueSizes.length));
  const cells = [
    names?.title ?? "",
    type < SPECIFIED_TYPES ? type : `0x${type.toString(16)}`,
    names?.chapter ?? "none",
    queues,
    featuresCell(features, names?.features ?? {}),
    driverOf.get(type) ?? "none",
  ];
  return `| ${cells.join(" | ")} |`;
}

function table(): string {
  const devices = Object.values(SPECIMENS).map((specimen) => specimen().device);
  const types = [...new Set(devices.map(({ type }) => type))].sort((a, b) => a - b);
  return types.map((type) => row(devices.filter((device) => device.type === type))).join("\n");
}

const { kernel } = JSON.parse(readFileSync(MANIFEST, "utf8")) as {
  kernel: { version: string };
};
const text = `# Devices

Written by \`npm run devices\` from the devices themselves.

Every device offers ${namesIn(offeredFeatures(0n), Feature)}; on demand also
${namesIn(bit(Feature.RING_PACKED) | bit(Feature.IN_ORDER), Feature)}. Sections are those of the specification, version 1.4. Features in
brackets depend on what is behind the device, such as a disk that is read-only. The driver is the one that
the embedded Linux (${kernel.version}) was seen to drive the device with, by \`src/machine/linux-drivers.test.ts\`;
where it says none, only the tests' own driver (\`src/virtio/testing\`) has used the device.

| device | id | section | queues | features of its own | driver |
| ------ | -- | ------- | ------ | ------------------- | ------ |
${table()}
`;

if (process.argv.includes("--check")) {
  const isFresh = readFileSync(FILE, "utf8") === text;
  if (!isFresh) process.stderr.write("docs/devices.md is not what `npm run devices` writes\n");
  process.exitCode = isFresh ? 0 : 1;
} else {
  writeFileSync(FILE, text);
}
