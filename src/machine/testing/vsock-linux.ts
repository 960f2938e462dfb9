/** The embedded Linux with sockets and `vsock-peer.c` compiled in it, as `vs`. */
import { VsockDevice } from "../../virtio/devices/vsock.ts";
import type { VsockHandler } from "../../virtio/devices/vsock-connection.ts";
import type { VsockType } from "../../virtio/devices/vsock-packet.ts";
import { LinuxSession, PROMPT } from "./linux-session.ts";

const PEER = new URL("vsock-peer.c", import.meta.url);

export class VsockLinux {
  readonly device = new VsockDevice("vsock0", 77);
  readonly session = new LinuxSession({ attach: (machine) => machine.attach(this.device) });

  async start(): Promise<void> {
    const { session } = this;
    await session.until(PROMPT);
    await session.compile(PEER, "vs");
    const output = await session.command("ls /dev/vsock");
    if (output.includes("No such")) throw new Error(output);
  }

  /** Connects to what the shell starts with a listener in it; what that prints comes later. */
  async dial(command: string, port: number, type: VsockType, handler: VsockHandler) {
    this.session.begin(command);
    await this.session.until(/listening\r\n/);
    return this.device.connect(port, type, handler);
  }
}
