/** Constants of the network device under the specification's names (virtio 5.1). */
import { GsoType } from "../../packet/header.ts";

/** Feature bits (5.1.3). */
export const NetFeature = {
  CSUM: 0,
  GUEST_CSUM: 1,
  CTRL_GUEST_OFFLOADS: 2,
  MTU: 3,
  MAC: 5,
  GUEST_TSO4: 7,
  GUEST_TSO6: 8,
  GUEST_ECN: 9,
  GUEST_UFO: 10,
  HOST_TSO4: 11,
  HOST_TSO6: 12,
  HOST_ECN: 13,
  HOST_UFO: 14,
  MRG_RXBUF: 15,
  STATUS: 16,
  CTRL_VQ: 17,
  CTRL_RX: 18,
  CTRL_VLAN: 19,
  CTRL_RX_EXTRA: 20,
  GUEST_ANNOUNCE: 21,
  MQ: 22,
  CTRL_MAC_ADDR: 23,
  GUEST_USO4: 54,
  GUEST_USO6: 55,
  HOST_USO: 56,
  SPEED_DUPLEX: 63,
} as const;

const { CSUM, GUEST_CSUM, CTRL_VQ } = NetFeature;

/** What each feature needs (5.1.3.1). */
export const NET_DEPENDENCIES = [
  { feature: NetFeature.GUEST_TSO4, anyOf: [GUEST_CSUM] },
  { feature: NetFeature.GUEST_TSO6, anyOf: [GUEST_CSUM] },
  { feature: NetFeature.GUEST_ECN, anyOf: [NetFeature.GUEST_TSO4, NetFeature.GUEST_TSO6] },
  { feature: NetFeature.GUEST_UFO, anyOf: [GUEST_CSUM] },
  { feature: NetFeature.GUEST_USO4, anyOf: [GUEST_CSUM] },
  { feature: NetFeature.GUEST_USO6, anyOf: [GUEST_CSUM] },
  { feature: NetFeature.HOST_TSO4, anyOf: [CSUM] },
  { feature: NetFeature.HOST_TSO6, anyOf: [CSUM] },
  { feature: NetFeature.HOST_ECN, anyOf: [NetFeature.HOST_TSO4, NetFeature.HOST_TSO6] },
  { feature: NetFeature.HOST_UFO, anyOf: [CSUM] },
  { feature: NetFeature.HOST_USO, anyOf: [CSUM] },
  { feature: NetFeature.CTRL_RX, anyOf: [CTRL_VQ] },
  { feature: NetFeature.CTRL_VLAN, anyOf: [CTRL_VQ] },
  { feature: NetFeature.CTRL_RX_EXTRA, anyOf: [CTRL_VQ] },
  { feature: NetFeature.GUEST_ANNOUNCE, anyOf: [CTRL_VQ] },
  { feature: NetFeature.MQ, anyOf: [CTRL_VQ] },
  { feature: NetFeature.CTRL_MAC_ADDR, anyOf: [CTRL_VQ] },
] as const;

/** By the kind of packet: the feature with which a driver may send it, and takes it, over IP and IPv6. */
export const GSO_FEATURES: {
  readonly [type: number]: {
    readonly host: number;
    readonly guest: number;
    readonly guestIpv6: number;
  };
} = {
  [GsoType.TCPV4]: {
    host: NetFeature.HOST_TSO4,
    guest: NetFeature.GUEST_TSO4,
    guestIpv6: NetFeature.GUEST_TSO4,
  },
  [GsoType.TCPV6]: {
    host: NetFeature.HOST_TSO6,
    guest: NetFeature.GUEST_TSO6,
    guestIpv6: NetFeature.GUEST_TSO6,
  },
  [GsoType.UDP]: {
    host: NetFeature.HOST_UFO,
    guest: NetFeature.GUEST_UFO,
    guestIpv6: NetFeature.GUEST_UFO,
  },
  [GsoType.UDP_L4]: {
    host: NetFeature.HOST_USO,
    guest: NetFeature.GUEST_USO4,
    guestIpv6: NetFeature.GUEST_USO6,
  },
};

/** Offsets in the configuration space (5.1.4). */
export const NetConfig = {
  MAC: 0,
  STATUS: 6,
  MAX_VIRTQUEUE_PAIRS: 8,
  MTU: 10,
  SPEED: 12,
  DUPLEX: 16,
  SIZE: 20,
} as const;

/** Bits of the status field. */
export const NetStatus = { LINK_UP: 1, ANNOUNCE: 2 } as const;

/** Commands of the control queue, by class (5.1.6.5). */
export const ControlClass = {
  RX: 0,
  MAC: 1,
  VLAN: 2,
  ANNOUNCE: 3,
  MQ: 4,
  GUEST_OFFLOADS: 5,
} as const;

export const RxCommand = {
  PROMISC: 0,
  ALLMULTI: 1,
  ALLUNI: 2,
  NOMULTI: 3,
  NOUNI: 4,
  NOBCAST: 5,
} as const;

export const MacCommand = { TABLE_SET: 0, ADDR_SET: 1 } as const;
export const VlanCommand = { ADD: 0, DEL: 1 } as const;
export const ANNOUNCE_ACK = 0;
export const VQ_PAIRS_SET = 0;
export const GUEST_OFFLOADS_SET = 0;

export const Ack = { OK: 0, ERR: 1 } as const;

export const MAC_SIZE = 6;
