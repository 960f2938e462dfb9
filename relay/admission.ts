/** Who may join which LAN: decided from the request, before there is a WebSocket. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";

/** The LAN of clients that name none, as clients of existing relays do not. */
export const DEFAULT_LAN = "default";

const LAN_PREFIX = "/lan/";
const GDB_PATH = "/gdb";
/** Long enough for any name that a person types, and safe in paths, logs and message subjects. */
const LAN_NAME = /^[A-Za-z0-9._-]{1,64}$/;

export interface AdmissionRules {
  /** Origins of pages that may connect, beside a page of the same local server. */
  readonly origins: readonly string[];
  /** Whether clients that are no browsers, and so send no Origin, are refused. */
  readonly requireOrigin: boolean;
  readonly token: string | undefined;
  /** Whether a path other than `/lan/<name>` means the default LAN. */
  readonly anyPath: boolean;
  /** Whether there is a port for GDB; default: none. */
  readonly hasGdb?: boolean;
}

export interface AdmissionRequest {
  readonly url?: string | undefined;
  readonly headers: { readonly origin?: string | undefined; readonly host?: string | undefined };
}

export type Admission =
  | { readonly kind: "admitted"; readonly lan: string }
  /** A page that serves GDB. */
  | { readonly kind: "gdb" }
  | { readonly kind: "refused"; readonly status: number; readonly reason: string }
  /** The path belongs to somebody else. */
  | { readonly kind: "foreign" };

export function admit(request: AdmissionRequest, rules: AdmissionRules): Admission {
  const [path, query = ""] = (request.url ?? "/").split("?", 2);
  const named = path.startsWith(LAN_PREFIX);
  const servesGdb = rules.hasGdb === true && path === GDB_PATH;
  if (!named && !servesGdb && !rules.anyPath) return { kind: "foreign" };
  if (!isOriginAllowed(request.headers, rules)) return refuse(403, "origin not allowed");
  const given = new URLSearchParams(query).get("token") ?? "";
  if (rules.token !== undefined && !sameText(given, rules.token)) return refuse(401, "wrong token");
  if (servesGdb) return { kind: "gdb" };
  const lan = named ? path.slice(LAN_PREFIX.length) : DEFAULT_LAN;
  if (!LAN_NAME.test(lan)) return refuse(400, "not a name of a LAN");
  return { kind: "admitted", lan };
}

function refuse(status: number, reason: string): Admission {
  return { kind: "refused", status, reason };
}

function isOriginAllowed(headers: AdmissionRequest["headers"], rules: AdmissionRules): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return !rules.requireOrigin;
  if (rules.origins.includes(origin)) return true;
  if (host === undefined || !isLocalHost(host)) return false;
  return origin === `http://${host}` || origin === `https://${host}`;
}

/**
 * Whether a Host header names this machine or an address. With any other name, "same origin" would
 * also be true for a foreign page whose name was made to resolve to this machine.
 */
function isLocalHost(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0;
}

/** Compares in a time that does not tell how much of the text was right. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
