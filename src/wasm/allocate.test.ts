import { expect, test } from "vitest";
import { allocate } from "./allocate.ts";
import { block, br, i32, type Local, label, loop, run, type Stmt, set, when } from "./expr.ts";

const use = (local: Local<"i32">): Stmt => run(i32.add(local, 1));
const numbersOf = (body: readonly Stmt[], ...locals: readonly Local[]) => {
  const { indices, types } = allocate([], body);
  return { numbers: locals.map((local) => indices.get(local)), count: types.length };
};

test("variables that follow each other share a number", () => {
  const [a, b] = [i32.local(), i32.local()];
  const { numbers, count } = numbersOf([set(a, 1), use(a), set(b, 2), use(b)], a, b);
  expect(numbers).toEqual([0, 0]);
  expect(count).toBe(1);
});

test("variables that are needed together do not", () => {
  const [a, b] = [i32.local(), i32.local()];
  const { numbers } = numbersOf([set(a, 1), set(b, 2), use(a), use(b)], a, b);
  expect(new Set(numbers).size).toBe(2);
});

test("what is set before a loop is kept until its last turn", () => {
  const [a, b, head] = [i32.local(), i32.local(), label("head")];
  const body = [set(a, 1), loop(head, [use(a), set(b, 2), use(b), br(head, 1)])];
  expect(new Set(numbersOf(body, a, b).numbers).size).toBe(2);
});

test("what a loop sets anew in every turn is free after its last use", () => {
  const [a, b, head] = [i32.local(), i32.local(), label("head")];
  const body = [loop(head, [set(a, 1), use(a), set(b, 2), use(b), br(head, 1)])];
  expect(numbersOf(body, a, b).numbers).toEqual([0, 0]);
});

test("what only one way sets may be read as the zero that it began with", () => {
  const [a, b, c, skip] = [i32.local(), i32.local(), i32.local(), label("skip")];
  const after = [set(b, 2), use(b)];
  for (const first of [
    when(c, [set(a, 1)]),
    block(skip, [br(skip, c), set(a, 1)]),
    run(i32.if(c, i32.seq([set(a, 1)], 1), 0)),
  ]) {
    expect(new Set(numbersOf([...after, first, use(a), ...after], a, b).numbers).size).toBe(2);
  }
});

test("what is read before it is set is a variable of its own", () => {
  const [a, b] = [i32.local(), i32.local()];
  expect(numbersOf([set(b, 1), use(b), use(a), set(a, 1)], a, b).count).toBe(2);
});

test("types do not share, and parameters keep their places", () => {
  const [p, a] = [i32.local(), i32.local()];
  expect(allocate([p], [use(p), set(a, p), use(a)]).indices.get(a)).toBe(1);
});
