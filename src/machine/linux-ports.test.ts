/** Named console ports in the embedded Linux. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ConsoleDevice } from "../virtio/devices/console.ts";
import type { ConsolePort } from "../virtio/devices/console-port.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const MIB = 1 << 20;

/** The host's end of a port. */
class Peer {
  received = 0;
  text = "";
  readonly opened: boolean[] = [];
  isFull = false;
  port!: ConsolePort;

  write(bytes: Uint8Array): boolean {
    this.received += bytes.length;
    if (this.text.length < 1000) this.text += new TextDecoder().decode(bytes);
    return !this.isFull;
  }

  guestOpened(open: boolean): void {
    this.opened.push(open);
  }

  /** Sends all of it as the guest takes it, then closes. */
  send(bytes: Uint8Array): void {
    let sent = 0;
    this.port.onInputSpace = () => {
      sent += this.port.input(bytes.subarray(sent));
      if (sent === bytes.length) this.port.close();
    };
    this.port.onInputSpace();
  }
}

describe.skipIf(!hasGuest)("console ports in Linux", () => {
  it("carry bytes both ways, come and go", { timeout: 2 * LIMIT_MS }, async () => {
    const device = new ConsoleDevice("ports", undefined, { ports: 4 });
    const peer = new Peer();
    peer.port = device.addPort("org.example.0", peer);
    peer.port.open();
    const session = new LinuxSession({ attach: (machine) => machine.attach(device) });
    await session.until(PROMPT);

    // From the guest, held back while the host does not take it.
    await session.command(
      "P=/dev/virtio-ports/org.example.0; until [ -e $P ]; do usleep 10000; done",
    );
    await session.command("echo hello > $P");
    expect(peer.text).toBe("hello\n");
    expect(peer.opened).toEqual([true, false]);
    peer.isFull = true;
    await session.command("dd if=/dev/zero of=$P bs=64k count=64 2>/dev/null & true");
    await session.runUntil(() => peer.received > 6, "output");
    await session.command("usleep 300000");
    expect(peer.received).toBeLessThan(MIB);
    peer.isFull = false;
    peer.port.drain();
    await session.runUntil(() => peer.opened.length === 4, "end of the output");
    expect(peer.received).toBe(6 + 4 * MIB);

    // To the guest, as it takes it, and an end of file.
    const data = Uint8Array.from({ length: MIB }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
    peer.port.onInputSpace = undefined;
    session.begin("md5sum < $P");
    await session.runUntil(() => peer.port.guestOpen, "reader");
    peer.send(data);
    const sum = createHash("md5").update(data).digest("hex");
    expect(await session.finished()).toContain(sum);

    // Hot add and removal.
    const late = new Peer();
    late.port = device.addPort("late", late);
    late.port.open();
    const isThere = "[ -e /dev/virtio-ports/late ]";
    await session.command(`until ${isThere}; do usleep 10000; done`);
    await session.command("echo there > /dev/virtio-ports/late");
    await session.runUntil(() => late.text !== "", "output");
    expect(late.text).toBe("there\n");
    device.removePort(late.port);
    await session.command("while [ -L /dev/virtio-ports/late ]; do usleep 10000; done");
  });

  it("come with a console of its own size", { timeout: LIMIT_MS }, async () => {
    const typed: string[] = [];
    const backend = {
      write: (bytes: Uint8Array) => typed.push(new TextDecoder().decode(bytes)) > 0,
    };
    const size = { cols: 132, rows: 50 };
    const device = new ConsoleDevice("two", backend, { size, ports: 1 });
    const session = new LinuxSession({ attach: (machine) => machine.attach(device) });
    await session.until(PROMPT);
    expect(await session.command("stty size < /dev/hvc1; echo second > /dev/hvc1")).toContain(
      "50 132",
    );
    expect(typed.join("")).toBe("second\r\n");
  });
});
