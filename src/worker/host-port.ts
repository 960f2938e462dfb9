/** Answers the calls that come on a channel whether there is a machine or not. */
import { serveCalls } from "./calls-port.ts";
import { DiskManager, type DisksInUse } from "./disk-manager.ts";
import type { HostCalls } from "./protocol.ts";
import type { Services } from "./services.ts";

/** Jobs go on, and are found again, when the page looks at something else meanwhile. */
const managers = new WeakMap<Services, DiskManager>();

export function serveHost(port: MessagePort, services: Services, inUse: DisksInUse): void {
  const disks = managers.get(services) ?? new DiskManager(services, inUse);
  managers.set(services, disks);
  const calls: HostCalls = {
    log: async (from) => services.log.since(from),
    disks: () => disks.list(),
    exportDisk: async (name, isPacked) => disks.export(name, isPacked),
    importDisk: async (name, file) => disks.import(name, file),
    deleteDisk: (name) => disks.delete(name),
    diskJobs: async () => disks.jobs(),
    exported: async (job) => disks.exported(job),
    endDiskJob: async (job) => disks.end(job),
  };
  serveCalls(port, (name) => calls[name as keyof HostCalls]);
}
