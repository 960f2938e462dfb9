/** Serves the built page and the relay on one port: what `npm start` runs. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { readOptions } from "../relay/main.ts";
import { type Relay, type RelayOptions, startRelay } from "../relay/server.ts";
import { staticFiles } from "./serve.ts";

const DEFAULT_PORT = 5173;
const DEFAULT_HOST = "127.0.0.1";

const HELP = `Usage: npm start -- [options]

Builds the page and serves it, with the network relay on the same port.

  --port PORT       listen there (default ${DEFAULT_PORT}; 0: any free port)
  --host ADDRESS    listen on that address (default ${DEFAULT_HOST}, this computer alone)

All options of the relay work too: npm run relay -- --help
`;

export interface Site {
  /** Where the page is. */
  readonly url: string;
  /** Of 127.0.0.1, if a page may serve GDB. */
  readonly gdbPort: number | undefined;
  close(): Promise<void>;
}

/** @param root the folder of the built page. @throws Error if the port cannot be had. */
export async function startSite(
  root: string,
  { port = DEFAULT_PORT, host = DEFAULT_HOST, ...relayOptions }: Omit<RelayOptions, "server">,
): Promise<Site> {
  const server = createServer(staticFiles(root));
  const relay = await startRelay({ ...relayOptions, server });
  // The relay leaves alone what is not its own; nobody else here speaks WebSocket.
  server.on("upgrade", (request, socket) => {
    const { url = "" } = request;
    const isForGdb = relay.gdbPort !== undefined && /^\/gdb(\?|$)/.test(url);
    if (!url.startsWith("/lan/") && !isForGdb) socket.destroy();
  });
  try {
    await listen(server, port, host);
  } catch (error) {
    await relay.close();
    throw error;
  }
  return { url: urlOf(server), gdbPort: relay.gdbPort, close: () => closeAll(server, relay) };
}

/** Runs until SIGINT or SIGTERM. @returns the exit code if there is nothing to run. */
export async function startMain(
  root: string,
  argv: readonly string[],
): Promise<number | undefined> {
  try {
    // The last of several values counts, so this is a default.
    const options = readOptions(["--port", `${DEFAULT_PORT}`, ...argv]);
    if (options === "help") {
      process.stdout.write(HELP);
      return 0;
    }
    const site = await startSite(root, options);
    process.stdout.write(`tabvisor is at ${site.url}\n`);
    if (site.gdbPort !== undefined) process.stdout.write(`GDB at 127.0.0.1:${site.gdbPort}\n`);
    const stop = () => void site.close();
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    return undefined;
  } catch (error) {
    process.stderr.write(`tabvisor: ${explain(error)}\n`);
    return 1;
  }
}

function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "EADDRINUSE" ? `${message}; choose another with --port` : message;
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}/`;
}

async function closeAll(server: Server, relay: Relay): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  await relay.close();
  server.closeAllConnections();
  await closed;
}
