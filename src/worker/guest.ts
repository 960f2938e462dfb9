/** One machine with its devices and what is behind them, kept running. */
import { DiskBackend } from "../host/disk-backend.ts";
import type { GuestDisk } from "../host/guest-disk.ts";
import { createNetworkCard, type NetworkCard } from "../host/network-card.ts";
import type { OpenedDisk } from "../host/stored-disk.ts";
import type { TimedSubject } from "../inspect/subject.ts";
import { Machine } from "../machine/machine.ts";
import type { MachineExit } from "../machine/machine-types.ts";
import { RunLoop } from "../machine/run-loop.ts";
import type { MachineFile } from "../machine/saved/saved-machine.ts";
import { type Share, shareDevice, shareWindowBytes } from "../machine/share.ts";
import { parseVirtioRule } from "../machine/virtio-rules.ts";
import { BlockDevice } from "../virtio/devices/block.ts";
import { BlockSwitch } from "../virtio/devices/block-switch.ts";
import type { ConsoleDevice } from "../virtio/devices/console.ts";
import type { CryptoDevice } from "../virtio/devices/crypto.ts";
import { EntropyDevice } from "../virtio/devices/entropy.ts";
import type { HostTree } from "../virtio/devices/host-tree/host-tree.ts";
import type { NetWire } from "../virtio/devices/net-wire.ts";
import { RtcDevice } from "../virtio/devices/rtc.ts";
import type { Report } from "../virtio/report.ts";
import { ActivityMeter } from "./activity-meter.ts";
import type { BootFiles } from "./boot-files.ts";
import { MachineGdbRelay } from "./gdb-relay.ts";
import { GuestConsole } from "./guest-console.ts";
import { GuestLinks } from "./guest-links.ts";
import { MediaDevices } from "./media-devices.ts";
import { PageMemoryDevices } from "./memory-devices.ts";
import type { BootConfig, Stats } from "./protocol.ts";
import type { Services } from "./services.ts";

const MIB = 1 << 20;

/** By this the guest mounts the files that are shared with it; the embedded one at /mnt/files. */
const SHARE_TAG = "files";

export interface GuestEvents {
  onExit(exit: MachineExit): void;
  onPanic(message: string): void;
}

export class Guest {
  readonly console: GuestConsole;
  readonly links: GuestLinks;
  readonly media: MediaDevices;
  /** For an inspector. */
  readonly subject: TimedSubject;
  readonly #services: Services;
  readonly #config: BootConfig;
  /** The files that the person shares with the guest. */
  readonly #shared: HostTree;
  readonly #machine: Machine;
  readonly #meter: ActivityMeter;
  readonly #loop: RunLoop;
  readonly #screen: ConsoleDevice;
  readonly #memory: PageMemoryDevices;
  /** Where faults can be put. */
  readonly #disks = new Map<string, BlockSwitch>();
  readonly #wires = new Map<string, NetWire>();
  #crypto: CryptoDevice | undefined;
  #disk: OpenedDisk | undefined;
  #block: BlockDevice | undefined;
  #net: NetworkCard | undefined;
  readonly #gdbRelay: MachineGdbRelay | undefined;

  /** @throws LoadError if the host has not that much memory, or a rule for virtio is none. */
  constructor(
    config: BootConfig,
    services: Services,
    shared: HostTree,
    events: GuestEvents,
    pmem?: OpenedDisk,
  ) {
    this.#shared = shared;
    this.#services = services;
    this.#config = config;
    this.#meter = new ActivityMeter(() => services.clock.nowMs());
    this.console = new GuestConsole(services, this.#meter);
    this.links = new GuestLinks(config);
    this.#memory = new PageMemoryDevices(config.memory ?? {}, pmem, (bytes) =>
      this.#meter.count("disk", bytes),
    );
    this.media = new MediaDevices(config, services);
    const report: Report = (level, source, text) => services.log.add(level, source, text);
    this.#machine = new Machine({
      hart: services.hart,
      clock: services.clock,
      entropy: services.fillRandom,
      ramBytes: config.ramMiB * MIB,
      windowBytes: this.#memory.windowBytes + shareWindowBytes(this.#share),
      shared: services.isIsolated,
      virtio: (config.virtio ?? []).map(parseVirtioRule),
      events: {
        onExit: events.onExit,
        onPanic: events.onPanic,
        onConsole: (_port, bytes) => this.console.output(bytes),
        onInputSpace: () => this.console.inputSpace(),
        onWake: () => this.#loop.wake(),
      },
      report,
    });
    if (config.relay !== undefined) {
      this.#gdbRelay = new MachineGdbRelay(config.relay, services.connect);
    }
    this.subject = {
      machine: this.#machine,
      clock: services.clock,
      sleep: services.sleep,
      backends: { disks: this.#disks, wires: this.#wires },
      report,
      ...(this.#gdbRelay && { gdbRelay: this.#gdbRelay }),
    };
    this.#loop = new RunLoop(
      { runSlice: (maxMs) => this.#slice(maxMs), msUntilWake: () => this.#machine.msUntilWake() },
      { defer: (callback) => this.console.defer(callback), sleep: services.sleep },
    );
    this.#screen = this.#machine.consoles.createDevice("hvc0", { cols: 80, rows: 24 });
  }

  /** Brings what the guest finds in its memory there, before `boot`. Rejects if it cannot be read. */
  async load(): Promise<this> {
    if (this.#config.crypto === true) this.#crypto = await this.#loadCrypto();
    await this.#memory.load(this.#machine);
    return this;
  }

  /**
   * Attaches the devices and starts the guest, or has it go on where it was saved.
   * @throws LoadError if it cannot be booted or restored
   */
  async boot(
    files: BootFiles,
    disk: OpenedDisk | undefined,
    saved: MachineFile | undefined,
  ): Promise<void> {
    this.#attach(disk);
    const { kernel, initrd, firmware } = files;
    const request = {
      append: this.#config.append,
      ...(kernel && { kernel }),
      ...(initrd && { initrd }),
      ...(firmware && { firmware }),
    };
    if (saved === undefined) this.#machine.boot(request);
    else await this.#machine.restore(saved, request);
    this.console.connect(this.#machine);
    this.#loop.start();
  }

  /**
   * The machine's file. It does not run again after this, unless it cannot be saved: what it wrote to its
   * disks would make the file useless.
   * @throws LoadError
   */
  async save(note: BootConfig): Promise<Blob> {
    const { clock, sleep } = this.#services;
    try {
      const pieces = await this.#machine.save({ nowMs: () => clock.nowMs(), sleep, note });
      this.#loop.stop();
      const parts: Uint8Array<ArrayBuffer>[] = [];
      for await (const piece of pieces) parts.push(piece);
      return new Blob(parts, { type: "application/octet-stream" });
    } catch (error) {
      this.#loop.start();
      throw error;
    }
  }

  #attach(disk: OpenedDisk | undefined): void {
    this.#disk = disk;
    this.#machine.attach(this.#screen);
    if (disk !== undefined) this.#attachDisk(disk);
    if (this.#config.relay !== undefined) this.#attachNet(this.#config.relay);
    this.#attachEntropy();
    this.#attachOnDemand();
    this.#memory.attach(this.#machine);
    this.links.attach(this.#machine);
    this.media.attach(this.#machine);
    this.#machine.attach(shareDevice("fs0", this.#share, this.#shared, this.#machine));
  }

  /** Starts the guest again from reset. */
  reset(): void {
    this.console.clearInput();
    this.#machine.reset();
    this.#loop.start();
  }

  /** No instruction runs after this until `reset`. */
  pause(): void {
    this.#loop.stop();
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows);
  }

  /** Changes how much memory the guest is to have. */
  resizeMemory(memory: { balloonMiB: number; pluggedMiB: number }): void {
    this.#memory.resize(memory);
  }

  /** What it has as disk `name` of this browser's storage. */
  diskOf(name: string): GuestDisk | undefined {
    return [this.#disk, this.#memory.image].find((disk) => disk?.name === name)?.disk;
  }

  /** Resolves when all that the guest wrote is durable. Rejects if the browser would not store it. */
  async flush(): Promise<void> {
    await Promise.all([this.#disk?.disk.flush(), this.#memory.flush(), this.#shared.syncfs?.()]);
  }

  /** Makes the disk larger and tells the guest. Rejects if it cannot be or the browser refuses. */
  async growDisk(bytes: number): Promise<void> {
    await this.#disk?.grow(bytes);
    this.#block?.resized();
  }

  /** Ends the machine, and gives back the disk and the network. */
  async dispose(): Promise<void> {
    this.#loop.stop();
    this.#machine.dispose();
    this.#net?.close();
    this.#gdbRelay?.close();
    await Promise.all([this.#disk?.close(), this.#memory.close()]);
  }

  /** What happened since the last call, and whether the guest has next to nothing to do or is held. */
  measure(): { stats: Stats; isIdle: boolean; isHeld: boolean } {
    const { instructions } = this.#machine.inspect();
    const { isIdle, mips, busy, activity } = this.#meter.read(instructions);
    const diskBytes = this.#disk?.disk.storedBytes ?? 0;
    const diskCapacity = this.#disk?.disk.size ?? 0;
    const unsavedBytes = this.#disk?.disk.dirtyBytes ?? 0;
    const memory = this.#memory.measure(isIdle);
    const stats = {
      mips,
      busy,
      activity,
      diskBytes,
      diskCapacity,
      unsavedBytes,
      ...(memory && { memory }),
    };
    return { isIdle, isHeld: this.#machine.hold.isActive, stats };
  }

  get #share(): Share {
    const { share = "virtiofs", memory } = this.#config;
    return { protocol: share, tag: SHARE_TAG, daxMiB: memory?.daxMiB };
  }

  #slice(maxMs: number) {
    const result = this.#meter.timed(() => this.#machine.runSlice(maxMs));
    this.console.flush();
    return result;
  }

  #attachDisk({ disk, name }: OpenedDisk): void {
    const backend = new DiskBackend({
      disk,
      id: name,
      readOnly: this.#config.disk?.readOnly ?? false,
      onActivity: (bytes) => this.#meter.count("disk", bytes),
    });
    const point = new BlockSwitch(backend);
    this.#block = new BlockDevice("blk0", point);
    this.#disks.set(this.#block.name, point);
    this.#machine.attach(this.#block);
  }

  #attachNet(url: string): void {
    this.#net = createNetworkCard({
      name: "net0",
      url,
      connect: this.#services.connect,
      fillRandom: this.#services.fillRandom,
      onLink: (up, reason) => this.#services.post({ type: "link", up, reason }),
      onActivity: (bytes) => this.#meter.count("network", bytes),
    });
    this.#wires.set(this.#net.device.name, this.#net.wire);
    this.#machine.attach(this.#net.device);
  }

  #attachEntropy(): void {
    const fill = (bytes: Uint8Array): void => {
      this.#meter.count("entropy", bytes.length);
      this.#services.fillRandom(bytes);
    };
    this.#machine.attach(new EntropyDevice("rng0", { fill }));
  }

  /** Its code is loaded for those machines alone that have it. */
  async #loadCrypto(): Promise<CryptoDevice> {
    const [{ CryptoDevice }, { cryptoAlgorithms }] = await Promise.all([
      import("../virtio/devices/crypto.ts"),
      import("../host/crypto-algorithms.ts"),
    ]);
    return new CryptoDevice("crypto0", cryptoAlgorithms(this.#services.fillRandom));
  }

  #attachOnDemand(): void {
    const { clock, sleep } = this.#services;
    if (this.#crypto !== undefined) this.#machine.attach(this.#crypto);
    if (this.#config.rtc === true) {
      const host = { nowMs: () => clock.nowMs(), wallClockMs: () => clock.wallClockMs(), sleep };
      this.#machine.attach(new RtcDevice("rtc0", host));
    }
  }
}
