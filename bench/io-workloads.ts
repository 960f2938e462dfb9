/** What is moved between a guest and its devices, side by side. Each command prints `@rate N`. */
import type { Command } from "./systems.ts";

/** Where something is measured; the last is the page with EVENT_IDX withheld. */
export type IoSystem = "chromium" | "node" | "qemu" | "plain";

export interface IoWorkload extends Command {
  readonly unit: "requests/s" | "MiB/s" | "Mbit/s";
  readonly systems: readonly IoSystem[];
  /** The slot in the page whose notifications are counted, and which of its counters are requests. */
  readonly counts?: { readonly slot: number; readonly requests: readonly string[] };
}

/** Bytes of the disk that are not the programs', which come first on it. */
const TEST_AREA = "--offset=256m --size=256m";
const SECONDS = 6;

/** MiB of a file that is copied. */
const FILE_MIB = 64;

/** MiB that a socket carries. */
export const SOCKET_MIB = 64;
export const SOCKET_PORTS = { toHost: 90, toGuest: 91 };

const RATE = /@rate ([\d.]+)/;
const EVERYWHERE: readonly IoSystem[] = ["chromium", "qemu", "plain"];
const BLOCK = { slot: 1, requests: ["reads", "writes", "flushes", "others"] };
const NET = { slot: 2, requests: ["sent", "received"] };

/** fio's third terse format: the fields' numbers are in its manual. */
const FIELDS = { "read requests/s": 8, "write requests/s": 49, "read KiB/s": 7, "write KiB/s": 48 };

function fio(name: string, options: string, field: keyof typeof FIELDS): IoWorkload {
  const isBytes = field.endsWith("KiB/s");
  const job = `fio --name=${name} --filename=/dev/vda --direct=1 --ioengine=libaio --thread`;
  const value = `$(${job} ${TEST_AREA} ${options} --minimal | cut -d ";" -f ${FIELDS[field]})`;
  return {
    name,
    unit: isBytes ? "MiB/s" : "requests/s",
    command: `sh -c 'echo @rate $((${value}${isBytes ? " / 1024" : ""}))'`,
    rate: RATE,
    systems: EVERYWHERE,
    counts: BLOCK,
  };
}

const timed = `--time_based --runtime=${SECONDS}`;
const random = `--bs=4k --iodepth=32 ${timed}`;
const sequential = "--bs=1m --iodepth=4";

/** `port` is that of a server on the host. */
const iperf = (name: string, port: number, options: string): IoWorkload => ({
  name,
  unit: "Mbit/s",
  command: `iperf3 -c 10.0.2.2 -p ${port} -t ${SECONDS} -O 1 -i 0 -f m ${options}`,
  rate: /([\d.]+) Mbits\/sec\s+receiver/,
  systems: EVERYWHERE,
  counts: NET,
});

/** Of a command that moves so much. */
const copy = (name: string, mib: number, command: string, systems: IoSystem[]): IoWorkload => ({
  name,
  unit: "MiB/s",
  command: `sh -c 's=$(date +%s%N); ${command} > /dev/null && e=$(date +%s%N) && echo @rate $((${mib}000000000 / (e - s)))'`,
  rate: RATE,
  systems,
});

const SHARED: IoSystem[] = ["chromium", "node", "qemu"];
const { toHost, toGuest } = SOCKET_PORTS;

export const ioWorkloads = (port: number): readonly IoWorkload[] => [
  // The first writes what the others read.
  fio("disk-seq-write", `--rw=write --end_fsync=1 ${sequential}`, "write KiB/s"),
  fio("disk-seq-read", `--rw=read ${sequential} ${timed}`, "read KiB/s"),
  fio("disk-rand-write", `--rw=randwrite ${random}`, "write requests/s"),
  fio("disk-rand-read", `--rw=randread ${random}`, "read requests/s"),
  iperf("tcp-to-host", port, ""),
  iperf("tcp-to-guest", port, "-R"),
  copy("file-write", FILE_MIB, "cp /tmp/file /share/file", SHARED),
  copy("file-read", FILE_MIB, "cp /share/file /tmp/copy", SHARED),
  copy(
    "socket-to-host",
    SOCKET_MIB,
    `/bench/vsock-peer connect stream ${toHost} pour ${SOCKET_MIB << 20}`,
    ["chromium"],
  ),
  copy("socket-to-guest", SOCKET_MIB, `/bench/vsock-peer connect stream ${toGuest} drain`, [
    "chromium",
  ]),
];

/** What a guest does once: the file to copy, and the shared directory, by what it is mounted with. */
export const PREPARE = [
  `head -c ${FILE_MIB}m /dev/zero > /d/tmp/file`,
  "for tag in bench files; do if [ -e /mnt/$tag ]; then mount --bind /mnt/$tag /d/share; fi; done",
];
