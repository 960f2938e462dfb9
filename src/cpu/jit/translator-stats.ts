/** What the translator has done since power-on. */

/** Why a region was taken out of use. */
export const DROP_REASONS = [
  /** A page that it was made from was written, became data or lost its decoded code. */
  "written",
  /** Translated again, with more of its code or other windows. */
  "replaced",
  /** Among the oldest when the tables were full. */
  "evicted",
  /** It did little but retreat to the interpreter. */
  "retreating",
  /** It has a breakpoint. */
  "breakpoint",
  /** All were: at a reset, or for the engine's memory. */
  "cleared",
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface TranslatorStats {
  /** Regions that have a place; of these `awaited` are being compiled on another thread. */
  readonly live: number;
  readonly awaited: number;
  /** Regions compiled; each is a module. */
  readonly compiled: number;
  /** Guest instructions in them, and bytes of WebAssembly. */
  readonly instructions: number;
  readonly wasmBytes: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Time spent on finding, placing and installing regions where the hart runs, in ms. */
  readonly hartMs: number;
  /** Time spent on compiling them on a thread of its own, in ms. */
  readonly threadMs: number;
}
