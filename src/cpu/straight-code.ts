/**
 * The interpreter's inner loop: it executes instructions that need nothing but registers and memory that
 * the TLB knows, and leaves for everything else.
 */
import {
  block,
  br,
  brTable,
  i32,
  i64,
  type Label,
  type Local,
  label,
  loop,
  type Stmt,
  set,
  whenUnlikely,
} from "../wasm/expr.ts";
import { type CoreFunctions, EntryTarget } from "./entry-target.ts";
import { fusedPairs } from "./fusion.ts";
import { type Handler, handlers, isInline, SpecialOp, usesFloat } from "./handlers.ts";
import { ENTRY } from "./layout.ts";
import { distanceOf, type Place, pcOf } from "./operations.ts";
import { get, get32 } from "./state.ts";
import { codeBaseOf, entryInSlot, tlbEntry } from "./tlb.ts";

export interface LoopState extends Place {
  /** The handler to go to. */
  readonly op: Local<"i32">;
  /** Where `jump` goes. */
  readonly target: Local<"i64">;
  readonly budget: Local<"i32">;
  /** Labels to branch to: go to `target`; execute `entry` by the handler `op`; */
  readonly jump: Label;
  readonly next: Label;
  /** there is no budget left to execute `target`; its page is not in the TLB; */
  readonly spent: Label;
  readonly miss: Label;
  /** the instruction at `entry` takes more than is done here. */
  readonly away: Label;
}

export const newLoopState = (): LoopState => ({
  entry: i32.local(),
  codeBase: i64.local(),
  target: i64.local(),
  budget: i32.local(),
  op: i32.local(),
  jump: label("jump"),
  next: label("next"),
  spent: label("spent"),
  miss: label("miss"),
  away: label("away"),
});

/** Fetches what `entry` is dispatched to. */
export const loadOp = (s: LoopState): Stmt => set(s.op, i32.load16_u(s.entry, ENTRY.op));

/**
 * The loop that most instructions are executed in. It calls nothing: a call would take all of the
 * variables out of the host's registers, for every instruction.
 */
export function straightCode(core: CoreFunctions, s: LoopState, exact: boolean): Stmt[] {
  const [tlb, slot] = [i32.local(), i32.local()];
  return [
    set(s.budget, get32("budget")),
    set(s.target, get("pc")),
    loop(s.jump, [
      br(s.spent, i32.le_s(s.budget, 0)),
      set(tlb, tlbEntry(get32("fetchTlb"), s.target)),
      br(s.miss, i64.ne(i64.load(tlb), i64.and(s.target, -4096))),
      set(slot, i32.load(tlb, 8)),
      set(s.codeBase, codeBaseOf(s.target, slot)),
      set(s.entry, entryInSlot(slot, s.target)),
      loadOp(s),
      loop(s.next, [
        ...(exact
          ? [whenUnlikely(i32.le_s(s.budget, 0), [set(s.target, pcOf(s)), br(s.spent)])]
          : []),
        set(s.budget, i32.sub(s.budget, 1)),
        ...dispatch(core, s, exact),
      ]),
    ]),
  ];
}

/** The switch: one block for each handler, innermost first. */
function dispatch(core: CoreFunctions, s: LoopState, exact: boolean): Stmt[] {
  const pageEnd = label("pageEnd");
  const specials = Object.values(SpecialOp).map((op) => ({
    at: op === SpecialOp.pageEnd ? pageEnd : s.away,
  }));
  const rows = handlers().map((handler) =>
    isInline(handler.row)
      ? { at: label(handler.row.name), body: straight(core, s, [handler]) }
      : { at: s.away },
  );
  // Where the budget counts for each instruction they are executed one by one.
  const pairs = fusedPairs().map(({ first, second }) =>
    exact
      ? { at: s.away }
      : {
          at: label(`${first.row.name} ${second.row.name}`),
          body: straight(core, s, [first, second]),
        },
  );
  const cases: readonly { at: Label; body?: Stmt[] }[] = [...specials, ...pairs, ...rows];
  let inner: Stmt[] = [
    brTable(
      s.op,
      cases.map(({ at }) => at),
      s.away,
    ),
  ];
  for (const { at, body } of cases) if (body !== undefined) inner = [block(at, inner), ...body];
  return [
    block(pageEnd, inner),
    set(s.target, pcOf(s)),
    set(s.budget, i32.add(s.budget, 1)),
    br(s.jump),
  ];
}

/** One instruction, or two that follow each other. */
function straight(core: CoreFunctions, s: LoopState, handlers: readonly Handler[]): Stmt[] {
  const bytes = handlers.map(({ length }) => (length / 2) * ENTRY.bytes);
  const nextOp = i32.local();
  return [
    // Early, for the jump that depends on it: no store that is done here can change code.
    set(nextOp, i32.load16_u(s.entry, bytes.reduce((sum, n) => sum + n) + ENTRY.op)),
    ...handlers.flatMap((handler, k) => [
      ...(k > 0 ? [set(s.budget, i32.sub(s.budget, 1))] : []),
      ...(usesFloat(handler.row) ? [br(s.away, get32("fpIllegal"))] : []),
      ...handler.row.semantics(straightTarget(core, s, handler)),
      set(s.entry, i32.add(s.entry, bytes[k])),
    ]),
    set(s.op, nextOp),
    br(s.next),
  ];
}

function straightTarget(core: CoreFunctions, s: LoopState, { length, near }: Handler): EntryTarget {
  const immediate = i32.load(s.entry, ENTRY.imm);
  const away = [br(s.away)];
  return new EntryTarget(core, s.entry, s.codeBase, length, {
    miss: away,
    trap: away,
    attend: away,
    steer: away,
    distance: distanceOf(s.entry, near),
    relative: near
      ? [
          set(s.entry, i32.add(s.entry, immediate)),
          loadOp(s),
          br(s.next, i32.gt_s(s.budget, 0)),
          set(s.target, pcOf(s)),
          br(s.spent),
        ]
      : [set(s.target, i64.add(pcOf(s), i64.extend_i32_s(immediate))), br(s.jump)],
    absolute: (address) => [set(s.target, address), br(s.jump)],
  });
}
