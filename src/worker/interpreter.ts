/** The interpreter's module, which is built with the page: to generate it takes longer than to fetch it. */
import { plain, shared } from "virtual:interpreter";

/**
 * Fetches and compiles it for this page's kind of memory. Undefined where it cannot be had, as in the
 * development server: the hart then generates its own, which is the same.
 */
export async function fetchInterpreter(): Promise<WebAssembly.Module | undefined> {
  const url = globalThis.crossOriginIsolated ? shared : plain;
  if (url === undefined) return undefined;
  try {
    // Not streamed: that needs a host that knows the type, and would gain nothing for 56 KB.
    return await WebAssembly.compile(await (await fetch(url)).arrayBuffer());
  } catch {
    return undefined;
  }
}
