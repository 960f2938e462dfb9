/**
 * Who is told what becomes of interrupts. Observers look only: what they do must not reach the guest. They
 * are told of what they have a method for.
 */
export interface IrqObserver {
  /** The line of an SPI rose: an edge, or the beginning of a level. */
  pulsed?(intid: number): void;
  claimed?(target: number, intid: number): void;
  /** Not with the `claim` handshake, in which a claim is all there is. */
  completed?(target: number, intid: number): void;
}

/** All are named, so that none can be forgotten. */
const IS_EVENT: Readonly<Record<keyof IrqObserver, true>> = {
  pulsed: true,
  claimed: true,
  completed: true,
};
const EVENTS = Object.keys(IS_EVENT) as (keyof IrqObserver)[];

/** Whether there is anything that it is told of. */
export const isOfInterrupts = (observer: IrqObserver): boolean =>
  EVENTS.some((event) => observer[event]);
