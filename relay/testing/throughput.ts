/** Measures what one connection carries through the gateway, the test guest's TCP included. */
import { GATEWAY_ADDRESS } from "../gateway/network.ts";
import { Rig, tcpServer } from "./rig.ts";
import { TestTcpClient } from "./tcp-client.ts";

export interface Throughput {
  readonly megabytesPerSecond: number;
  /** The same by the processor time of this process, which other load hardly changes. */
  readonly megabytesPerCpuSecond: number;
}

export async function measureDownload(bytes: number): Promise<Throughput> {
  const server = await tcpServer((socket) => socket.end(Buffer.alloc(bytes)));
  const rig = new Rig({ allow: [`host:${server.port}`] });
  const client = new TestTcpClient(rig.guest, GATEWAY_ADDRESS, server.port);
  await client.connect();
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  await client.until(() => client.receivedBytes === bytes);
  const cpu = process.cpuUsage(startCpu);
  const seconds = (performance.now() - startMs) / 1000;
  client.dispose();
  rig.close();
  server.close();
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    megabytesPerCpuSecond: bytes / (cpu.user + cpu.system),
  };
}
