#!/usr/bin/env node
/** Checks what no other tool does: who may import whom, how long files are, and what is banned. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Each layer with the layers below it that it may import, types included. */
export const LAYERS = {
  "src/wasm": [],
  "src/isa": ["src/wasm"],
  "src/memory": [],
  "src/packet": [],
  "src/bus": ["src/memory"],
  "src/irq": ["src/bus"],
  "src/cpu": ["src/wasm", "src/isa", "src/memory", "src/bus", "src/irq"],
  "src/virtio": ["src/memory", "src/packet", "src/bus", "src/irq"],
  "src/platform": ["src/bus", "src/irq"],
  "src/machine": [
    "src/wasm",
    "src/isa",
    "src/memory",
    "src/bus",
    "src/irq",
    "src/cpu",
    "src/virtio",
    "src/platform",
  ],
  "src/inspect": [
    "src/memory",
    "src/bus",
    "src/irq",
    "src/isa",
    "src/cpu",
    "src/packet",
    "src/virtio",
    "src/platform",
    "src/machine",
  ],
  "src/host": ["src/virtio", "src/memory", "src/packet", "src/irq"],
  "src/worker": [
    "src/memory",
    "src/bus",
    "src/irq",
    "src/cpu",
    "src/virtio",
    "src/platform",
    "src/machine",
    "src/inspect",
    "src/host",
  ],
  "src/ui": ["src/worker/protocol.ts", "src/worker/message-streams.ts", "src/inspect/calls.ts"],
  relay: ["src/packet"],
  cli: ["src/cpu", "src/irq", "src/virtio", "src/machine", "src/inspect", "src/host", "relay"],
  bench: ["src", "cli", "relay", "e2e"],
  oracle: ["src"],
  fuzz: ["src/virtio"],
  e2e: ["src/worker/protocol.ts", "cli", "relay"],
  guest: [],
};

/** Lines: a longer file has more than one subject. */
export const MAX_LINES = 500;

const BANNED = [
  { pattern: /\b(TODO|FIXME|XXX)\b/, what: "unfinished work" },
  { pattern: /@ts-(ignore|nocheck)/, what: "a silenced type error" },
  { pattern: /\bas any\b/, what: "a cast to any" },
  { pattern: /\b(describe|it|test|suite)\.only\(/, what: "a test that silences the others" },
];

const SOURCE = /\.(ts|tsx|mts|mjs|js)$/;
const TEST = /^fuzz\/|\.(test|bench|spec)\.tsx?$|\/testing\//;
/** Folders that are not ours to check. */
const SKIPPED = new Set(["node_modules", "dist", "public", "testdata", ".git"]);
/** This file and its test have to name what they ban. */
const SELF = /^scripts\/check-layers\b/;

/** `new Worker(new URL(…))` is none: what is started that way shares nothing with the starter. */
const IMPORT =
  /(?:^|[;\s}])(?:import|export)\s[^;"']*?\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g;

/** @param {Map<string, string>} files path from the root, with "/", to text. @returns {string[]} */
export function check(files) {
  const problems = [];
  /** @type {Map<string, string[]>} */
  const graph = new Map();
  for (const [path, text] of files) {
    if (SELF.test(path)) continue;
    problems.push(...checkText(path, text));
    const imports = importsOf(path, text);
    graph.set(
      path,
      imports.filter((target) => files.has(target)),
    );
    for (const target of imports) problems.push(...checkImport(path, target, files));
  }
  return [...problems, ...cycles(graph)];
}

/** Paths from the root that a file imports; packages are left out. */
function importsOf(path, text) {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const found = [];
  for (const match of code.matchAll(IMPORT)) {
    const specifier = match[1] ?? match[2];
    if (specifier.startsWith(".")) {
      // Bundlers take a query after the path, such as "?worker".
      found.push(posix.normalize(posix.join(posix.dirname(path), specifier.split("?")[0])));
    }
  }
  return found;
}

function layerOf(path) {
  return Object.keys(LAYERS).find((layer) => path.startsWith(`${layer}/`));
}

function checkImport(path, target, files) {
  const from = layerOf(path);
  const to = layerOf(target);
  if (SOURCE.test(target) && !files.has(target)) return [`${path}: ${target} does not exist`];
  if (from === undefined || to === undefined || from === to) return [];
  if (LAYERS[from].some((allowed) => target === allowed || target.startsWith(`${allowed}/`))) {
    // A test may look further, as it is not part of what it tests; what is for tests stays there.
    return TEST.test(target) && !TEST.test(path) ? [`${path}: imports ${target}, a test's`] : [];
  }
  if (TEST.test(path) && to !== "src/ui") return [];
  return [`${path}: ${from} may not import ${target}`];
}

function checkText(path, text) {
  const problems = [];
  const lines = text.split("\n");
  if (lines.length - 1 > MAX_LINES) {
    problems.push(`${path}: ${lines.length - 1} lines, more than ${MAX_LINES}`);
  }
  lines.forEach((line, i) => {
    for (const { pattern, what } of BANNED) {
      if (pattern.test(line)) problems.push(`${path}:${i + 1}: ${what}: ${line.trim()}`);
    }
  });
  return problems;
}

/** @param {Map<string, string[]>} graph */
function cycles(graph) {
  const problems = [];
  const done = new Set();
  const path = [];
  const visit = (file) => {
    const start = path.indexOf(file);
    if (start >= 0) {
      problems.push(`import cycle: ${[...path.slice(start), file].join(" -> ")}`);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return problems;
}

/** @returns {Map<string, string>} */
export function readTree(root) {
  const files = new Map();
  const walk = (folder) => {
    for (const name of readdirSync(folder)) {
      const full = join(folder, name);
      if (statSync(full).isDirectory()) {
        if (!SKIPPED.has(name) && !name.startsWith(".")) walk(full);
      } else if (SOURCE.test(name)) {
        files.set(relative(root, full).split(sep).join("/"), readFileSync(full, "utf8"));
      }
    }
  };
  walk(root);
  return files;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  const files = readTree(root);
  const problems = check(files);
  for (const problem of problems) console.error(problem);
  console.error(`${files.size} files, ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
