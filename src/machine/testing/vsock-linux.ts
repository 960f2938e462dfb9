/** The embedded Linux with sockets and `vsock-peer.c` compiled in it, as `vs`. */
import { VsockDevice } from "../../virtio/devices/vsock.ts";
import type { VsockHandler } from "../../virtio/devices/vsock-connection.ts";
import type { VsockType } from "../../virtio/devices/vsock-packet.ts";
import { LinuxSession, type LinuxSessionOptions, PROMPT, type Saved } from "./linux-session.ts";

const PEER = new URL("vsock-peer.c", import.meta.url);

const createDevice = () => new VsockDevice("vsock0", 77);

/** Its disk is left alone, so that whoever restores it can have another. */
const optionsFor = (device: VsockDevice): LinuxSessionOptions => ({
  attach: (machine) => machine.attach(device),
  append: "console=hvc0 quiet tabvisor.disk=none",
});

export class VsockLinux {
  readonly device: VsockDevice;
  readonly session: LinuxSession;

  constructor(device = createDevice(), session = new LinuxSession(optionsFor(device))) {
    this.device = device;
    this.session = session;
  }

  /** Has a new machine, with a device of its own, go on where a saved one was. */
  static async restore(file: Saved): Promise<VsockLinux> {
    const device = createDevice();
    return new VsockLinux(device, await LinuxSession.restore(file, optionsFor(device)));
  }

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
