/** `window.tabvisor`: the machine for scripts of a page that embeds this one. */
import type { MachineState } from "../worker/protocol.ts";
import type { Session } from "./session.ts";
import type { GuestTerminal } from "./terminal.ts";

interface Automation {
  /** What the machine does now. */
  readonly state: MachineState;
  /** All text of the terminal: its scrollback and its screen. */
  text(): string;
  /** Types into the guest's console; `\r` is the Enter key. */
  send(text: string): void;
}

declare global {
  interface Window {
    tabvisor?: Automation;
  }
}

export function offerAutomation(session: Session, terminal: GuestTerminal): void {
  window.tabvisor = {
    get state() {
      return session.state.value;
    },
    text: () => terminal.text(),
    send: (text) => terminal.type(text),
  };
}
