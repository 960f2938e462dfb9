/**
 * One virtual machine: composes hart, interrupt controllers, platform and virtio devices, boots what
 * it is given, and runs in slices. Clock and entropy are injected, so that a run can be replayed.
 */
import { Bus } from "../bus/bus.ts";
import type { HartPort, Interrupt } from "../cpu/hart-port.ts";
import { AdjustableTimebase } from "../irq/adjustable-timebase.ts";
import { isOfInterrupts } from "../irq/observer.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { MemoryWindow } from "../memory/memory-window.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import type { FeatureChoice } from "../virtio/features.ts";
import { type VirtioSlot, VirtioSlots } from "../virtio/slots.ts";
import { ClockTimebase, msBetween } from "./clock.ts";
import { ConsoleHub } from "./console-hub.ts";
import { deviceTree, type InterruptControllerKind } from "./device-tree.ts";
import { writeFdt } from "./fdt.ts";
import type { HartModel } from "./hart-model.ts";
import { Hold } from "./hold.ts";
import { Htif } from "./htif.ts";
import { Interrupts } from "./interrupts.ts";
import { LoadError } from "./load-error.ts";
import { type LoadResult, load } from "./loader.ts";
import { createMemory } from "./machine-memory.ts";
import { MachineSbi } from "./machine-sbi.ts";
import {
  type BootRequest,
  DEFAULT_RAM_BYTES,
  type MachineExit,
  type MachineOptions,
  type MachineSnapshot,
  type Sampler,
} from "./machine-types.ts";
import { type MachineObserver, Observers } from "./observers.ts";
import { Platform, STDOUT_DEVICE, slotNodes } from "./platform.ts";
import { PROFILES, type Profile, type Window } from "./profile.ts";
import { riscvHart } from "./riscv-hart.ts";
import type { SliceResult } from "./run-loop.ts";
import type { Bytes } from "./saved/gzip.ts";
import {
  applyState,
  type MachineFile,
  type MachineParts,
  placeMachine,
  type SaveOptions,
  saveMachine,
} from "./saved/saved-machine.ts";
import { SliceBudget } from "./slice.ts";
import { checkVirtioRules, choiceFor } from "./virtio-rules.ts";
import type { Windows } from "./windows.ts";

const MIB = 1024 * 1024;

/** Bytes of `rng-seed`: what Linux takes to initialise its generator, twice over. */
const RNG_SEED_BYTES = 64;

/** The single hart. */
const BOOT_HART = 0;

export class Machine {
  readonly profile: Profile;
  readonly interruptController: InterruptControllerKind;
  readonly ramBytes: number;
  readonly memory: GuestMemory;
  readonly bus = new Bus();
  readonly timebase: AdjustableTimebase;
  readonly consoles: ConsoleHub;
  readonly interrupts: Interrupts;
  readonly platform: Platform;
  readonly slots: VirtioSlots;
  readonly hold: Hold;

  /** Looks at what the guest executes, now and then; undefined for nobody. */
  sampler: Sampler | undefined;

  readonly #options: MachineOptions;
  readonly #model: HartModel;
  readonly #windows: Windows;
  readonly #sbi: MachineSbi;
  readonly #harts: HartPort[] = [];
  readonly #observers = new Observers((all) => {
    this.slots.tap.observers = all;
    this.interrupts.distributor.observers = all.filter(isOfInterrupts);
  });
  readonly #budget = new SliceBudget();
  /** When the slice under way ends, and when its present run began, in ms of the host's clock. */
  #sliceEnd = 0;
  #runStart = 0;
  #request: BootRequest | undefined;
  #htif: Htif | undefined;
  #state: "off" | "running" | "idle" | "stopped" = "off";
  /** The tick at which timers were last evaluated. */
  #evaluatedAt = 0;
  #exit: MachineExit | undefined;
  #isSaving = false;

  /**
   * @throws RangeError for an impossible size of RAM.
   * @throws LoadError if the host has not that much memory, or no machine can have it.
   */
  constructor(options: MachineOptions) {
    this.#options = options;
    this.profile = PROFILES[options.profile ?? "tabvisor"];
    this.interruptController = options.interruptController ?? "plic";
    this.ramBytes = options.ramBytes ?? DEFAULT_RAM_BYTES;
    this.#model = options.hart ?? riscvHart();
    const { linear, ram, guest, windows } = createMemory({
      ramBase: this.profile.ramBase,
      ramBytes: this.ramBytes,
      windowBytes: options.windowBytes ?? 0,
      hartBytes: this.#model.memoryBytes,
      shared: options.shared ?? false,
    });
    this.memory = guest;
    this.#windows = windows;
    this.timebase = new AdjustableTimebase(new ClockTimebase(options.clock));
    this.consoles = new ConsoleHub({
      onOutput: (port, bytes) => options.events?.onConsole?.(port, bytes) ?? true,
      onInputSpace: () => options.events?.onInputSpace?.(),
      onPanic: (message) => options.events?.onPanic?.(message),
    });
    this.interrupts = new Interrupts({
      bus: this.bus,
      profile: this.profile,
      kind: this.interruptController,
      harts: 1,
      timebase: this.timebase,
      onWire: (hart, cause, high) => this.#wire(hart, cause, high),
    });
    this.platform = new Platform({
      bus: this.bus,
      profile: this.profile,
      interrupts: this.interrupts,
      consoles: this.consoles,
      wallClockMs: () => options.clock.wallClockMs(),
      finish: (request) => this.#end(request),
    });
    this.slots = new VirtioSlots(
      this.bus,
      this.memory,
      this.profile.virtio,
      (spi) => this.interrupts.line(spi, this.profile.virtio.trigger),
      () => this.#endTurn(),
      options.report,
    );
    this.#sbi = new MachineSbi(this.#harts, this.memory, this.consoles, (exit) => this.#end(exit));
    // Here and not at boot: its code is generated while the files are still on their way.
    const hart = this.#model.create({
      id: BOOT_HART,
      memory: linear,
      ram,
      guestMemory: this.memory,
      bus: this.bus,
      time: () => this.timebase.ticks(),
      poll: () => this.#poll(),
      ecall: this.#sbi,
    });
    this.#harts.push(hart);
    this.hold = new Hold({
      timebase: this.timebase,
      harts: this.#harts,
      wake: () => options.events?.onWake?.(),
      attempt: (work) => this.#step(work),
    });
  }

  /**
   * Gives a device the lowest free slot, or slot `at`; its address, interrupt and device-tree node
   * follow from it. `choice` says what features the slot offers; default: what the machine's options say.
   * @throws Error if every slot is taken, or that one.
   */
  attach(device: VirtioDevice, choice?: FeatureChoice, at?: number): VirtioSlot {
    const rules = this.#options.virtio ?? [];
    return this.slots.attach(device, choice ?? choiceFor(rules, device.name), at);
  }

  /**
   * Addresses above RAM for a device that provides memory, at a multiple of `alignment` bytes: nothing
   * is there until the device says so. @throws RangeError beyond the `windowBytes` of the options.
   */
  openWindow(bytes: number, alignment?: number): MemoryWindow {
    return this.#windows.open(bytes, alignment);
  }

  /**
   * Loads the guest; the next slice runs its first instruction. A machine boots once: `reset` starts
   * the same guest anew.
   * @throws LoadError if the files cannot be booted.
   */
  boot(request: BootRequest): LoadResult {
    this.#checkUnused();
    const result = this.#load(request);
    this.#request = request;
    this.#start(result);
    return result;
  }

  /**
   * Goes on where a saved machine of the same description was, instead of booting; `request` is what a
   * reset boots.
   * @throws LoadError if that is not possible: see `placeMachine`
   */
  async restore(file: MachineFile, request: BootRequest): Promise<void> {
    this.#checkUnused();
    const state = await placeMachine(this.#parts, file);
    this.#request = request;
    applyState(this.#parts, state);
    this.#htif = state.tohost === undefined ? undefined : this.#createHtif(state.tohost);
    this.#sbi.reset(BOOT_HART);
    this.#state = "running";
    this.#options.report?.("info", "machine", "goes on where it was saved");
  }

  /**
   * Saves all that a machine of the same description needs to go on, as a file in pieces. Meanwhile no
   * instruction runs and the guest's clock stands still; once the file begins, the machine may go on.
   * @throws LoadError if it cannot be saved now
   */
  async save(options: SaveOptions): Promise<AsyncGenerator<Bytes>> {
    if (this.#hasStopped() || this.#isSaving) {
      throw new LoadError("There is no running machine to save.", "Start it first.");
    }
    this.#isSaving = true;
    this.timebase.freeze();
    try {
      return await saveMachine(this.#parts, options);
    } finally {
      this.#isSaving = false;
      if (!this.hold.isActive) this.timebase.thaw();
      this.#options.events?.onWake?.();
    }
  }

  /** Restarts the guest as a reset button does: devices stay attached, and disks keep their data. */
  reset(): void {
    if (this.#request === undefined) throw new Error("this machine has not been booted");
    this.#options.report?.("info", "machine", "reset");
    for (const { transport } of this.slots.occupied) {
      transport.reset();
      transport.device.systemReset?.();
    }
    this.platform.reset();
    this.interrupts.reset();
    this.#sbi.pending.clear();
    this.#start(this.#load(this.#request));
  }

  /**
   * Runs the guest for about `maxMs`. "idle" means that it waits for an interrupt: the next slice is
   * due after `msUntilWake()` or at the `onWake` event, and until then nothing would happen.
   */
  runSlice(maxMs: number): SliceResult {
    if (this.#hasStopped()) return "stopped";
    if (this.hold.isActive || this.#isSaving) return "held";
    this.#attempt(() => {
      this.#state = "running";
      this.#state = this.#run(this.#options.clock.nowMs() + maxMs);
    });
    return this.#result();
  }

  /** Milliseconds until a timer or alarm of an idle guest is due; Infinity if only a device can. */
  msUntilWake(): number {
    if (this.hold.isActive) return Number.POSITIVE_INFINITY;
    const timers = this.#harts.flatMap((hart) => [
      hart.nextTimerTick(),
      this.interrupts.aclint.nextTimerTick(hart.id),
    ]);
    // A timer that was due before has raised its wire already: if the guest still waits, it has
    // masked that interrupt, and waking it would be in vain.
    const ahead = timers.filter((tick) => tick > this.#evaluatedAt);
    const timer = msBetween(this.timebase.ticks(), Math.min(...ahead));
    return Math.min(timer, this.platform.rtc.msUntilAlarm());
  }

  get harts(): readonly HartPort[] {
    return this.#harts;
  }

  /** Tells `observer` of requests and interrupts from now on, until what is returned is called. */
  observe(observer: MachineObserver): () => void {
    return this.#observers.add(observer);
  }

  /** What the inspector shows; nothing changes. */
  inspect(): MachineSnapshot {
    const hart = this.#harts[BOOT_HART];
    return {
      state: this.#state === "off" ? "off" : this.#result(),
      mode: hart?.mode() ?? "M",
      pc: hart?.pc() ?? 0n,
      instructions: hart?.instructionCount() ?? 0,
      ticks: this.timebase.ticks(),
      slots: this.slots.occupied.map(({ slot, base, spi, transport }) => ({
        slot,
        base,
        spi,
        device: transport.inspect(),
      })),
    };
  }

  /** Stops for good and gives back what devices hold on the host. */
  dispose(): void {
    this.#state = "stopped";
    for (const slot of this.slots.occupied) slot.detach();
  }

  #checkUnused(): void {
    if (this.#request !== undefined) throw new Error("this machine has been booted already");
    const devices = this.slots.occupied.map(({ transport }) => transport.name);
    checkVirtioRules(this.#options.virtio ?? [], devices);
  }

  get #parts(): MachineParts {
    const { cpu } = this.#model;
    const [hart] = this.#harts;
    return { board: this, cpu, hart, sbiInput: this.#sbi.pending, tohost: this.#htif?.tohost };
  }

  #load(request: BootRequest): LoadResult {
    const result = load(this.memory, {
      ...(request.kernel === undefined ? {} : { kernel: request.kernel }),
      ...(request.initrd === undefined ? {} : { initrd: request.initrd }),
      ...(request.firmware === undefined ? {} : { firmware: request.firmware }),
      deviceTree: (initrd) => request.fdtOverride ?? this.#deviceTree(request, initrd),
    });
    this.#htif = result.tohost === undefined ? undefined : this.#createHtif(result.tohost);
    return result;
  }

  #createHtif(tohost: number): Htif {
    const port = this.consoles.add("htif", { input: () => 0 });
    return new Htif({
      memory: this.memory,
      tohost,
      output: (byte) => port.outputByte(byte),
      exit: (code) => this.#end(code === 0 ? { kind: "poweroff" } : { kind: "fail", code }),
    });
  }

  #deviceTree(request: BootRequest, initrd: Window | undefined): Uint8Array {
    const rngSeed = new Uint8Array(RNG_SEED_BYTES);
    this.#options.entropy(rngSeed);
    const tree = deviceTree({
      profile: this.profile,
      interruptController: this.interruptController,
      harts: 1,
      cpu: this.#model.cpu,
      ramBytes: this.ramBytes,
      devices: [...this.platform.placed, ...slotNodes(this.profile)],
      bootArgs: request.append ?? "",
      rngSeed,
      stdout: STDOUT_DEVICE,
      ...(initrd === undefined ? {} : { initrd }),
    });
    return writeFdt(tree, BOOT_HART);
  }

  #start(result: LoadResult): void {
    this.#sbi.reset(BOOT_HART);
    const hart = this.#harts[BOOT_HART];
    const { pc, mode, deviceTree: a1 } = result;
    hart.reset({ pc, mode, a0: BOOT_HART, a1 });
    hart.setX(12, BigInt(result.dynamicInfo));
    this.#state = "running";
    const { ramBytes } = this;
    const start = `starts at 0x${pc.toString(16)} in ${mode}-mode with ${ramBytes / MIB} MiB of RAM`;
    this.#options.report?.("info", "machine", start);
  }

  /** Does what may end the machine, and tells of that. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#end({ kind: "error", error });
    }
    this.consoles.flush();
    this.#reportExit();
  }

  /** Has one instruction executed, as a slice has many. */
  #step(work: () => void): void {
    if (this.#hasStopped() || this.#isSaving) return;
    this.#attempt(() => {
      this.#state = "running";
      this.slots.work.renew();
      this.#evaluateTimers(this.#harts[BOOT_HART]);
      work();
      this.#htif?.poll();
    });
  }

  #hasStopped(): boolean {
    return this.#state === "off" || this.#state === "stopped";
  }

  #result(): SliceResult {
    if (this.#state === "off" || this.#state === "stopped") return "stopped";
    return this.hold.isActive ? "held" : this.#state;
  }

  #run(endMs: number): "running" | "idle" | "stopped" {
    const { clock } = this.#options;
    const hart = this.#harts[BOOT_HART];
    this.#sliceEnd = endMs;
    this.#runStart = clock.nowMs();
    for (;;) {
      this.slots.work.renew();
      this.#evaluateTimers(hart);
      this.hold.pass(hart);
      const exit = hart.run(this.#budget.instructions);
      this.#htif?.poll();
      this.consoles.flush();
      if (this.#state === "stopped") return "stopped";
      if (!this.#sbi.isStarted(hart.id)) {
        this.#end({ kind: "halt" });
        return "stopped";
      }
      if (exit === "debug") this.hold.met(hart);
      if (this.#hasStopped()) return "stopped";
      if (this.hold.isActive) return "running";
      const now = clock.nowMs();
      if (exit !== "wfi" && this.#isSampleDue(now)) this.sampler?.sample(now);
      if (exit === "budget") this.#budget.measured(now - this.#runStart);
      else if (exit === "wfi" && this.msUntilWake() > 0 && !this.slots.work.hasWaiting) {
        this.sampler?.idle();
        return "idle";
      }
      if (now >= endMs) return "running";
      this.#runStart = now;
    }
  }

  /** What `#run` does between two runs, for translated code that need not be left for it. */
  #poll(): number {
    this.#htif?.poll();
    this.consoles.flush();
    const now = this.#options.clock.nowMs();
    const { work } = this.slots;
    if (this.#state === "stopped" || now >= this.#sliceEnd || work.hasWaiting) return 0;
    // Only between two runs does the hart's state say where it is.
    if (this.#isSampleDue(now)) return 0;
    work.renew();
    this.#budget.measured(now - this.#runStart);
    this.#evaluateTimers(this.#harts[BOOT_HART]);
    this.#runStart = now;
    return this.#budget.instructions;
  }

  #isSampleDue(nowMs: number): boolean {
    return this.sampler !== undefined && nowMs >= this.sampler.dueMs;
  }

  #evaluateTimers(hart: HartPort): void {
    this.#evaluatedAt = this.timebase.ticks();
    this.interrupts.aclint.update();
    this.platform.rtc.update();
    hart.updateTimer();
  }

  #wire(hartId: number, cause: Interrupt, high: boolean): void {
    this.#harts[hartId]?.setInterrupt(cause, high);
    if (high) this.#wake();
  }

  #wake(): void {
    if (this.#state !== "idle") return;
    this.#state = "running";
    this.#options.events?.onWake?.();
  }

  /** Devices have done much for the guest: the clock decides whether it is time for the host. */
  #endTurn(): void {
    for (const hart of this.#harts) hart.requestStop();
    this.#wake();
  }

  #end(exit: MachineExit): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#exit = exit;
    for (const hart of this.#harts) hart.requestStop();
  }

  /** Only after the slice, so that a listener may reset the machine. */
  #reportExit(): void {
    const exit = this.#exit;
    if (exit === undefined) return;
    this.#exit = undefined;
    this.#options.events?.onExit?.(exit);
  }
}
