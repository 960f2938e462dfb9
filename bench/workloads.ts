/** What is run side by side. Each command does a fixed amount of work, or says how fast it went. */

export interface Workload {
  readonly name: string;
  /** "storm": most of the time is spent in the guest's kernel. */
  readonly kind: "compute" | "storm";
  /** Run in the disk of `bench/disk` as its root. */
  readonly command: string;
  /** Where the command prints a rate, which then counts and not the time. */
  readonly rate?: RegExp;
  /** Whether the host can run it too: it is one of the kernels of `bench/disk/kernels.c`. */
  readonly host?: boolean;
}

const kernel = (name: string, count: number, kind: Workload["kind"] = "compute"): Workload => ({
  name,
  kind,
  command: `/bench/kernels ${name} ${count}`,
  host: true,
});

/** `openssl speed -mr` prints `+F:2:name:rate` for ciphers and `+F2:...:sign:verify` for RSA. */
const openssl = (name: string, algorithm: string, rate: RegExp): Workload => ({
  name,
  kind: "compute",
  command: `openssl speed -mr -seconds 2 -bytes 16384 ${algorithm}`,
  rate,
});

export const WORKLOADS: readonly Workload[] = [
  openssl("openssl-sha256", "sha256", /\+F:\d+:sha256:([\d.]+)/),
  openssl("openssl-aes", "aes-128-cbc", /\+F:\d+:aes-128-cbc:([\d.]+)/i),
  openssl("openssl-rsa", "rsa2048", /\+F2:\d+:2048:([\d.]+)/),
  { name: "7z", kind: "compute", command: "7z b -mmt1 -md19 1" },
  {
    name: "xz",
    kind: "compute",
    command: "sh -c 'cat /usr/bin/7z* /usr/lib/7zip/7z* | head -c 2000000 | xz -9 | wc -c'",
  },
  { name: "python3", kind: "compute", command: "python3 /bench/workload.py 30" },
  {
    name: "sqlite3",
    kind: "compute",
    command: "sh -c 'sqlite3 /tmp/db < /bench/queries.sql; rm /tmp/db'",
  },
  { name: "gcc", kind: "compute", command: "gcc -O2 -c -o /tmp/source.o /bench/source.c" },
  {
    name: "stress-ng",
    kind: "compute",
    command: "stress-ng --cpu 1 --cpu-ops 400 --quiet --temp-path /tmp",
  },
  kernel("integer", 600_000_000),
  kernel("chase", 20_000_000),
  kernel("matrix", 200),
  kernel("strings", 40_000),
  kernel("recursion", 38),
  kernel("syscalls", 2_000_000, "storm"),
  kernel("forkexec", 400, "storm"),
  kernel("pagefaults", 800, "storm"),
];
