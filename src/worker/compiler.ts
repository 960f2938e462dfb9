/** The entry of the thread that compiles regions. */
import { type CompiledRegion, type CompileJob, compileJob } from "../cpu/jit/compiler.ts";

/** The part of the Worker's global scope that is used; the page's types know only the window's. */
interface CompilerScope {
  onmessage: ((event: MessageEvent<CompileJob>) => void) | null;
  postMessage(compiled: CompiledRegion): void;
}

const scope = globalThis as unknown as CompilerScope;
scope.onmessage = ({ data }) => scope.postMessage(compileJob(data, () => performance.now()));
