/** Commands of the network device's control queue (virtio 5.1.6.5). */

/** Bytes of a command: a filter table of some hundred addresses is the longest that drivers send. */
export const NET_CONTROL_MAX = 4096;

const ACK_OK = 0;
const ACK_ERR = 1;

const Class = { RX: 0, MAC: 1, ANNOUNCE: 3 } as const;
const RX_PROMISC = 0;
const RX_ALLMULTI = 1;
const MAC_TABLE_SET = 0;
const MAC_ADDR_SET = 1;
const ANNOUNCE_ACK = 0;

export const MAC_SIZE = 6;

export interface NetControlResult {
  readonly ack: number;
  /** The new address, if the command set one. */
  readonly mac?: Uint8Array;
  /** The driver has seen the request to announce itself. */
  readonly announced?: boolean;
}

const OK: NetControlResult = { ack: ACK_OK };
const ERR: NetControlResult = { ack: ACK_ERR };

/**
 * Executes one command: class, command, data. Every frame that the network sends is delivered, so
 * receive filters are acknowledged and have no effect, which 5.1.6.5.1 allows.
 */
export function executeNetControl(command: Uint8Array): NetControlResult {
  const [group, code] = command;
  const data = command.subarray(2);
  switch (group) {
    case Class.RX:
      return (code === RX_PROMISC || code === RX_ALLMULTI) && data.length === 1 ? OK : ERR;
    case Class.MAC:
      if (code === MAC_TABLE_SET) return isMacTable(data) ? OK : ERR;
      return code === MAC_ADDR_SET && data.length === MAC_SIZE ? { ack: ACK_OK, mac: data } : ERR;
    case Class.ANNOUNCE:
      return code === ANNOUNCE_ACK ? { ack: ACK_OK, announced: true } : ERR;
    default:
      return ERR;
  }
}

/** Two tables, unicast and multicast, each a count and that many addresses (5.1.6.5.2). */
function isMacTable(data: Uint8Array): boolean {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let at = 0;
  for (let table = 0; table < 2; table++) {
    if (at + 4 > data.length) return false;
    at += 4 + MAC_SIZE * view.getUint32(at, true);
  }
  return at === data.length;
}
