import { expect, test } from "vitest";
import { encode } from "../../isa/assembler.ts";
import { type CompiledRegion, type CompileJob, compileJob } from "./compiler.ts";
import { CompilerThread } from "./compiler-thread.ts";
import { discover } from "./discover.ts";
import { packRegion } from "./packed-region.ts";

function job(): CompileJob {
  const memory = new DataView(new ArrayBuffer(8192));
  for (const [k, word] of [encode("addi", { rd: 5, rs1: 5, imm: 1 }), encode("jal", {})].entries())
    memory.setUint32(4096 + 4 * k, word, true);
  const region = discover(
    { memory, findPage: () => 4096, isWanted: () => true, jumpTargets: () => [] },
    0,
  );
  return {
    region: packRegion(region),
    place: { record: 0x1000, dataTlb: 0x2000, links: [], lean: true, narrow: [] },
    memory: { pages: 1, shared: false },
  };
}

test("a job is plain data and comes back as a module, with what it took", () => {
  let now = 0;
  const { module, bytes, threadMs } = compileJob(structuredClone(job()), () => (now += 3));
  expect(module).toBeInstanceOf(WebAssembly.Module);
  expect(bytes).toBeGreaterThan(8);
  expect(threadMs).toBe(3);
});

test("the thread is started with the first job, and its answers come in order", () => {
  let answer: (compiled: CompiledRegion) => void = () => {};
  const posted: CompileJob[] = [];
  let started = 0;
  const thread = new CompilerThread((answered) => {
    started++;
    answer = answered;
    return { post: (sent) => void posted.push(sent) };
  });
  expect(started).toBe(0);
  const done: [string, CompiledRegion][] = [];
  thread.compile(job(), (compiled) => void done.push(["first", compiled]));
  thread.compile(job(), (compiled) => void done.push(["second", compiled]));
  expect([started, posted.length, done.length]).toEqual([1, 2, 0]);
  const compiled = posted.map((sent) => compileJob(sent));
  for (const region of compiled) answer(region);
  expect(done).toEqual([
    ["first", compiled[0]],
    ["second", compiled[1]],
  ]);
});

test("without a thread the jobs are done all the same", () => {
  let fail = () => {};
  const thread = new CompilerThread((_answered, failed) => {
    fail = failed;
    return { post: () => {} };
  });
  const done: CompiledRegion[] = [];
  const add = (compiled: CompiledRegion) => void done.push(compiled);
  thread.compile(job(), add);
  thread.compile(job(), add);
  expect(done).toHaveLength(0);
  fail();
  expect(done).toHaveLength(2);
  thread.compile(job(), add);
  expect(done).toHaveLength(3);
});
