/** A disk whose requests can be led elsewhere while a machine runs. */
import type { BlockBackend, BlockTarget } from "./block-backend.ts";

export class BlockSwitch implements BlockBackend {
  readonly readOnly: boolean;
  readonly id: string;
  readonly discardAlignment?: number;
  readonly discard?: NonNullable<BlockBackend["discard"]>;
  readonly writeZeroes?: NonNullable<BlockBackend["writeZeroes"]>;
  readonly secureErase?: NonNullable<BlockBackend["secureErase"]>;
  readonly lifetime?: NonNullable<BlockBackend["lifetime"]>;
  readonly seal?: NonNullable<BlockBackend["seal"]>;
  readonly sealed?: NonNullable<BlockBackend["sealed"]>;
  /** The disk itself. */
  readonly disk: BlockBackend;
  /** What answers the device now: the disk, or what stands in front of it. */
  via: BlockBackend;

  constructor(disk: BlockBackend) {
    this.disk = disk;
    this.via = disk;
    this.readOnly = disk.readOnly;
    this.id = disk.id;
    if (disk.discardAlignment !== undefined) this.discardAlignment = disk.discardAlignment;
    // What a disk does not offer the device must not find.
    if (disk.discard) this.discard = (sector, count) => this.via.discard?.(sector, count);
    if (disk.writeZeroes) {
      this.writeZeroes = (sector, count, mayUnmap) =>
        this.via.writeZeroes?.(sector, count, mayUnmap);
    }
    if (disk.secureErase) {
      this.secureErase = (sector, count) => this.via.secureErase?.(sector, count);
    }
    if (disk.lifetime) this.lifetime = () => disk.lifetime!();
    if (disk.seal) this.seal = () => disk.seal!();
    if (disk.sealed) this.sealed = () => disk.sealed!();
  }

  get sectors(): number {
    return this.disk.sectors;
  }

  read(sector: number, target: BlockTarget): void | Promise<void> {
    return this.via.read(sector, target);
  }

  write(sector: number, source: readonly Uint8Array[]): void | Promise<void> {
    return this.via.write(sector, source);
  }

  flush(): void | Promise<void> {
    return this.via.flush();
  }
}
