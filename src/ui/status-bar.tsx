/** The bar below the terminal: a light for each device, and quiet messages. */
import type { JSX } from "preact";
import type { Activity, BootConfig } from "../worker/protocol.ts";
import { formatBytes } from "./format.ts";
import type { Session } from "./session.ts";

const DEVICES: readonly { key: keyof Activity; name: string }[] = [
  { key: "console", name: "console" },
  { key: "disk", name: "disk" },
  { key: "network", name: "network" },
  { key: "entropy", name: "entropy" },
];

export interface StatusBarProps {
  readonly session: Session;
  readonly onMemory: () => void;
}

export function StatusBar({ session, onMemory }: StatusBarProps): JSX.Element {
  const notice = session.notice.value;
  return (
    <footer class="status">
      <ul class="lights" aria-label="Device activity">
        {DEVICES.map((device) => (
          <Light key={device.key} session={session} device={device.key} name={device.name} />
        ))}
      </ul>
      <p class="message" role="status">
        {notice === undefined ? summaryOf(session) : `${notice.what} ${notice.advice}`}
      </p>
      <Memory session={session} onMemory={onMemory} />
    </footer>
  );
}

/** What the guest says of its memory, if it says anything. */
function Memory({ session, onMemory }: StatusBarProps): JSX.Element | null {
  const memory = session.stats.value.memory;
  if (memory === undefined) return null;
  const { availableBytes, balloon, hotplug } = memory;
  const available = availableBytes === undefined ? "" : ` ${formatBytes(availableBytes)} free`;
  const held = balloon?.bytes ? `, ${formatBytes(balloon.bytes)} in the balloon` : "";
  const plugged = hotplug?.bytes ? `, ${formatBytes(hotplug.bytes)} plugged` : "";
  return (
    <button type="button" class="memory" title="Memory of the guest" onClick={onMemory}>
      {`Memory:${available || " …"}${held}${plugged}`}
    </button>
  );
}

interface LightProps {
  readonly session: Session;
  readonly device: keyof Activity;
  readonly name: string;
}

function Light({ session, device, name }: LightProps): JSX.Element {
  const bytes = session.stats.value.activity[device];
  const isFitted = hasDevice(session, device);
  const mode = isFitted ? (bytes > 0 ? "active" : "quiet") : "absent";
  const title = isFitted ? `${name}: ${formatBytes(bytes)} just now` : `${name}: none`;
  return (
    <li class="light" data-mode={mode} title={title}>
      {name}
    </li>
  );
}

function hasDevice(session: Session, device: keyof Activity): boolean {
  const config = session.config.value;
  if (device === "disk") return config?.disk !== undefined;
  if (device === "network") return config?.relay !== undefined && session.link.value.up;
  return true;
}

function summaryOf(session: Session): string {
  const config = session.config.value;
  if (config === undefined || session.state.value === "failed") return "";
  const { diskBytes, unsavedBytes } = session.stats.value;
  const parts = [`${config.ramMiB} MiB`];
  if (config.disk !== undefined) {
    const unsaved = unsavedBytes > 0 ? `, ${formatBytes(unsavedBytes)} unsaved` : "";
    parts.push(`disk ${config.disk.name}: ${formatBytes(diskBytes)} used${unsaved}`);
  }
  parts.push(networkText(config, session.link.value));
  return parts.join(" · ");
}

function networkText(config: BootConfig, link: { up: boolean; reason: string }): string {
  if (config.relay === undefined) return "no network";
  if (link.up) return `network ${new URL(config.relay).pathname.split("/").at(-1) || "up"}`;
  return link.reason === "" ? "network: connecting" : `no network: ${link.reason}`;
}
