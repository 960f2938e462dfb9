/** Reads from the page's address which ports and sockets scripts can reach the guest by. */
import type { BootConfig } from "../worker/protocol.ts";
import { ConfigError, inField } from "./config-error.ts";

/** As the console device has it. */
const PORT_NAME = /^[\w.-]{1,63}$/;
const PORTS_MAX = 16;

/** The least CID that a guest may have, which most monitors give. */
const DEFAULT_CID = 3;

/** @throws ConfigError */
export function readLinks(query: URLSearchParams): Pick<BootConfig, "ports" | "vsockCid"> {
  const ports = query.get("ports");
  const vsock = query.get("vsock");
  return {
    ...(ports !== null && { ports: inField("ports", () => readPorts(ports)) }),
    ...(vsock !== null && vsock !== "none" && { vsockCid: inField("vsock", () => readCid(vsock)) }),
  };
}

function readPorts(value: string): readonly string[] {
  const names = [...new Set(value.split(",").filter((name) => name !== ""))];
  const wrong = names.find((name) => !PORT_NAME.test(name));
  if (wrong === undefined && names.length <= PORTS_MAX) return names;
  throw new ConfigError(
    wrong === undefined ? "There are too many ports." : `“${wrong}” cannot be the name of a port.`,
    `Give ports as up to ${PORTS_MAX} names of letters, digits, dots and dashes, with commas between.`,
  );
}

function readCid(value: string): number {
  const cid = value === "" ? DEFAULT_CID : Number(value);
  if (Number.isInteger(cid) && cid >= DEFAULT_CID && cid < 0xffff_ffff) return cid;
  throw new ConfigError(
    `The guest cannot have the socket address ${value}.`,
    `Give vsock a number from ${DEFAULT_CID} on, or nothing for ${DEFAULT_CID}.`,
  );
}
