/** A run of guest physical addresses backed by bytes of the linear memory. */
export interface RamRegion {
  /** First guest physical address. */
  readonly base: number;
  /** Length in bytes. */
  readonly size: number;
  /** Where `base` is in the linear memory, in bytes. */
  readonly offset: number;
}
