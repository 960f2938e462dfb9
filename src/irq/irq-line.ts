/** A device's wire to the interrupt controller. A device holds one and knows nothing more. */
export interface IrqLine {
  /** A rising edge, latched by the controller. */
  pulse(): void;
  /** The level of a level-triggered source. */
  setLevel(high: boolean): void;
}
