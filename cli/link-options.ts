/** The part of the command line about console ports and sockets. */
import { PORT_NAME } from "../src/virtio/devices/console.ts";
import { GUEST_CID_MAX, GUEST_CID_MIN } from "../src/virtio/devices/vsock.ts";
import { UsageError } from "./usage-error.ts";

/** A place on the host. */
type Endpoint =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "file"; readonly path: string };

export type SocketEndpoint = Exclude<Endpoint, { kind: "file" }>;

interface VsockOption {
  readonly port: number;
  readonly where: SocketEndpoint;
}

export interface LinkOptions {
  readonly ports: readonly { readonly name: string; readonly where: Endpoint }[];
  readonly vsockListen: readonly VsockOption[];
  readonly vsockConnect: readonly VsockOption[];
  readonly vsockCid?: number;
}

export const LINK_OPTIONS = {
  port: { type: "string", multiple: true },
  "vsock-listen": { type: "string", multiple: true },
  "vsock-connect": { type: "string", multiple: true },
  "vsock-cid": { type: "string" },
} as const;

interface LinkValues {
  readonly port?: string[] | undefined;
  readonly "vsock-listen"?: string[] | undefined;
  readonly "vsock-connect"?: string[] | undefined;
  readonly "vsock-cid"?: string | undefined;
}

const PORT_MAX = 0xffff_ffff;

/** @throws UsageError */
export function parseLinks(values: LinkValues): LinkOptions {
  const cid = values["vsock-cid"];
  return {
    ports: (values.port ?? []).map(parsePort),
    vsockListen: (values["vsock-listen"] ?? []).map((text) => parseVsock("--vsock-listen", text)),
    vsockConnect: (values["vsock-connect"] ?? []).map((text) =>
      parseVsock("--vsock-connect", text),
    ),
    ...(cid === undefined
      ? {}
      : { vsockCid: parseNumber("--vsock-cid", cid, GUEST_CID_MIN, GUEST_CID_MAX) }),
  };
}

function parsePort(text: string): LinkOptions["ports"][number] {
  const [name, where] = split("--port", text);
  if (!PORT_NAME.test(name)) throw new UsageError(`--port has no proper name: ${text}`);
  return { name, where: parseEndpoint("--port", where) };
}

function parseVsock(option: string, text: string): VsockOption {
  const [port, place] = split(option, text);
  const where = parseEndpoint(option, place);
  if (where.kind === "file") throw new UsageError(`${option} cannot be a file: ${text}`);
  return { port: parseNumber(option, port, 0, PORT_MAX), where };
}

function split(option: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 0) throw new UsageError(`${option} needs a place after an equals sign: ${text}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function parseEndpoint(option: string, text: string): Endpoint {
  const path = /^(unix|file):(.+)$/.exec(text);
  if (path !== null) return { kind: path[1] as "unix" | "file", path: path[2] };
  const tcp = /^tcp:(?:(.+):)?(\d+)$/.exec(text);
  if (tcp === null) throw new UsageError(`${option} needs unix:PATH or tcp:[HOST:]PORT: ${text}`);
  return { kind: "tcp", host: tcp[1] ?? "127.0.0.1", port: parseNumber(option, tcp[2], 0, 65535) };
}

function parseNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`${option} has a number from ${min} to ${max}: ${text}`);
}
