/** Works on the disks in this browser's storage for the page, in jobs that tell how far they are. */
import {
  deleteDisk,
  exportDisk,
  importDisk,
  type Library,
  listDisks,
  type Work,
} from "../host/disk-library.ts";
import type { BaseImage, GuestDisk } from "../host/guest-disk.ts";
import { openBase } from "./boot-files.ts";
import { textOf } from "./problems.ts";
import type { DiskConfig, DiskJob, ImageSource, ListedDisk } from "./protocol.ts";
import type { Services } from "./services.ts";

/** Jobs that are remembered: those that ended first are forgotten, with what they have made. */
const JOBS_MAX = 16;

/** What this Worker's machine uses. */
export interface DisksInUse {
  disks(): readonly DiskConfig[];
  open(name: string): GuestDisk | undefined;
  /** Resolves when all that the guest wrote is in the storage. */
  flush(): Promise<void>;
}

type DiskServices = Pick<Services, "indexedDB" | "locks" | "files" | "log" | "fetch">;

interface Running {
  job: DiskJob;
  readonly ending: AbortController;
  result?: Blob;
}

export class DiskManager {
  readonly #services: DiskServices;
  readonly #inUse: DisksInUse;
  readonly #jobs = new Map<number, Running>();
  #started = 0;

  constructor(services: DiskServices, inUse: DisksInUse) {
    this.#services = services;
    this.#inUse = inUse;
  }

  async list(): Promise<ListedDisk[]> {
    const ours = new Set(this.#inUse.disks().map(({ name }) => name));
    const disks = await listDisks(this.#room());
    return disks.map((disk) => ({ ...disk, isOurs: ours.has(disk.name) }));
  }

  /** A disk that the machine has is exported as it would be if the power failed now. */
  export(name: string, isPacked: boolean): number {
    const room = this.#room();
    return this.#start("export", name, async (work) => {
      const disk = (await this.list()).find((listed) => listed.name === name);
      if (disk?.isOurs) await this.#inUse.flush();
      else if (disk?.isLocked) throw new Error(`disk “${name}” is in use by another tab`);
      const openBase = (base: string) => this.#openBase(name, base);
      const image = await exportDisk(name, room, openBase, work, this.#inUse.open(name));
      return isPacked ? pack(image, work) : image;
    });
  }

  import(name: string, file: Blob): number {
    const room = this.#room();
    return this.#start("import", name, async (work) => {
      await importDisk(name, file, room, work);
      return undefined;
    });
  }

  async delete(name: string): Promise<void> {
    await deleteDisk(name, this.#room());
    this.#services.log.add("info", "host", `disk “${name}” was deleted`);
  }

  jobs(): readonly DiskJob[] {
    return [...this.#jobs.values()].map(({ job }) => job);
  }

  exported(id: number): Blob {
    const result = this.#jobs.get(id)?.result;
    if (result === undefined) throw new Error("there is no such file");
    return result;
  }

  end(id: number): void {
    this.#jobs.get(id)?.ending.abort(new Error("it was cancelled"));
    this.#jobs.delete(id);
  }

  #room(): Library {
    const { indexedDB, locks, files } = this.#services;
    if (indexedDB !== undefined && locks !== undefined) return { factory: indexedDB, locks, files };
    throw new Error("this browser offers no storage to this page");
  }

  #start(
    kind: DiskJob["kind"],
    disk: string,
    act: (work: Work) => Promise<Blob | undefined>,
  ): number {
    const id = this.#started++;
    const ending = new AbortController();
    const running: Running = {
      job: { id, kind, disk, done: 0, total: 0, state: "running" },
      ending,
    };
    this.#jobs.set(id, running);
    this.#forget();
    const onProgress = (done: number, total: number): void => {
      running.job = { ...running.job, done, total };
    };
    void act({ signal: ending.signal, onProgress }).then(
      (result) => {
        if (result !== undefined) running.result = result;
        running.job = { ...running.job, done: running.job.total, state: "done" };
        this.#services.log.add("info", "host", `${kind} of disk “${disk}” is done`);
      },
      (error: unknown) => {
        running.job = { ...running.job, state: "failed", error: textOf(error) };
        this.#services.log.add("warning", "host", `${kind} of disk “${disk}”: ${textOf(error)}`);
      },
    );
    return id;
  }

  #forget(): void {
    for (const [id, { job }] of this.#jobs) {
      if (this.#jobs.size <= JOBS_MAX) return;
      if (job.state !== "running") this.#jobs.delete(id);
    }
  }

  /** The image that a disk was made over: the one that the machine has, or that at its address. */
  async #openBase(name: string, identity: string): Promise<BaseImage> {
    const [address] = identity.split(" ");
    const used = this.#inUse.disks().find((disk) => disk.name === name)?.base;
    const source: ImageSource | undefined =
      used ?? (/^https?:/.test(address) ? { kind: "url", url: address } : undefined);
    if (source === undefined) {
      throw new Error(`“${name}” is over a file that was picked: boot it with that file first`);
    }
    const base = await openBase(source, this.#services, () => {});
    if (base.identity === identity) return base;
    throw new Error(`the image that “${name}” was made over has changed`);
  }
}

/** A gzip file, in which ranges without data take next to no room. */
async function pack(image: Blob, { signal, onProgress }: Work): Promise<Blob> {
  let done = 0;
  const counted = image.stream().pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(bytes, controller) {
        signal.throwIfAborted();
        done += bytes.length;
        onProgress(done, image.size);
        controller.enqueue(bytes);
      },
    }),
  );
  const packed = counted.pipeThrough(new CompressionStream("gzip"));
  return new Response(packed, { headers: { "Content-Type": "application/gzip" } }).blob();
}
