/**
 * What one connection carries through the gateway, with the test guest's TCP at its other end, in
 * one process: `node --import tsx relay/testing/throughput.ts`.
 */
import { GATEWAY_ADDRESS } from "../gateway/network.ts";
import { Rig, tcpServer } from "./rig.ts";
import { TestTcpClient } from "./tcp-client.ts";

const DOWNLOAD_BYTES = 200_000_000;
const UPLOAD_BYTES = 50_000_000;

const download = await tcpServer((socket) => socket.end(Buffer.alloc(DOWNLOAD_BYTES)));
const upload = await tcpServer((socket) => socket.resume());
const rig = new Rig({ allow: [`host:${download.port}`, `host:${upload.port}`] });

async function measure(name: string, bytes: number, port: number, run: Run): Promise<void> {
  const client = new TestTcpClient(rig.guest, GATEWAY_ADDRESS, port, { port });
  await client.connect();
  const startMs = performance.now();
  await run(client);
  const seconds = (performance.now() - startMs) / 1000;
  client.dispose();
  process.stdout.write(`${name}: ${(bytes / 1e6 / seconds).toFixed(0)} MB/s\n`);
}

type Run = (client: TestTcpClient) => Promise<void>;

await measure("download", DOWNLOAD_BYTES, download.port, (client) =>
  client.until(() => client.receivedBytes === DOWNLOAD_BYTES),
);
await measure("upload", UPLOAD_BYTES, upload.port, (client) =>
  client.send(new Uint8Array(UPLOAD_BYTES)),
);
rig.close();
download.close();
upload.close();
