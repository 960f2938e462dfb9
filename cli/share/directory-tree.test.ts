/** What only a real directory has: a host around it that must stay out of reach. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LoadError } from "../../src/machine/load-error.ts";
import { Opcode } from "../../src/virtio/devices/fuse/abi.ts";
import type { OpenMode } from "../../src/virtio/devices/host-tree/host-tree.ts";
import { BufferTarget } from "../../src/virtio/testing/buffer-target.ts";
import { FuseDriver, packed } from "../../src/virtio/testing/fuse-driver.ts";
import { DirectoryTree } from "./directory-tree.ts";

const READ: OpenMode = { read: true, write: false, truncate: false, append: false };
const WRITE: OpenMode = { ...READ, write: true };
const by = (mode: number) => ({ mode, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
const PLAIN = { noReplace: false, exchange: false };

let base: string;
let share: string;
let secret: string;

/** A share with something beside it that the guest must never see or change. */
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "share-"));
  share = join(base, "share");
  secret = join(base, "outside", "secret");
  mkdirSync(share);
  mkdirSync(join(base, "outside"));
  writeFileSync(secret, "secret");
});

afterEach(() => rmSync(base, { recursive: true }));

const inShare = (name: string) => join(share, name);

function text(tree: DirectoryTree, node: Parameters<DirectoryTree["open"]>[0]): string {
  const file = tree.open(node, READ);
  const target = new BufferTarget(100);
  const count = file.read(0, target);
  file.close();
  return new TextDecoder().decode(target.bytes.subarray(0, count));
}

describe("a shared directory is confined", () => {
  it("when the guest walks with names that are paths", async () => {
    const fuse = await new FuseDriver(new DirectoryTree(share)).mount();
    for (const name of ["..", ".", "../outside", "../outside/secret", secret, "x/../../outside"]) {
      expect((await fuse.request(Opcode.LOOKUP, 1, packed(name))).errno).toBeGreaterThan(0);
      for (const [opcode, args] of [
        [Opcode.MKDIR, packed(0o777, 0, name)],
        [Opcode.CREATE, packed(2, 0o644, 0, 0, name)],
        [Opcode.UNLINK, packed(name)],
        [Opcode.RMDIR, packed(name)],
        [Opcode.SYMLINK, packed(name, "x")],
        [Opcode.RENAME, packed(1n, name, "here")],
      ] as const) {
        expect((await fuse.request(opcode, 1, args)).errno, name).toBeGreaterThan(0);
      }
    }
    expect(readFileSync(secret, "utf8")).toBe("secret");
    expect(existsSync(inShare("here"))).toBe(false);
  });

  it("when links lead out of it, relative or absolute, to files or directories", () => {
    symlinkSync("../outside", inShare("dir"));
    symlinkSync(join(base, "outside"), inShare("absolute"));
    symlinkSync("../outside/secret", inShare("file"));
    symlinkSync(secret, inShare("file2"));
    const tree = new DirectoryTree(share);
    for (const name of ["dir", "absolute"]) {
      const link = tree.lookup(tree.root, name);
      expect(() => tree.lookup(link, "secret")).toThrow("ENOTDIR");
      expect(() => tree.readdir(link)).toThrow("ENOTDIR");
      expect(() => tree.create(link, "new", by(0o644), WRITE)).toThrow("ENOTDIR");
      expect(() => tree.mkdir(link, "new", by(0o755))).toThrow("ENOTDIR");
      expect(() => tree.unlink(link, "secret")).toThrow("ENOTDIR");
      expect(() => tree.rename(link, "secret", tree.root, "x", PLAIN)).toThrow("ENOTDIR");
      expect(() => tree.rename(tree.root, "file", link, "x", PLAIN)).toThrow("ENOTDIR");
    }
    for (const name of ["file", "file2"]) {
      const link = tree.lookup(tree.root, name);
      expect(() => tree.open(link, READ)).toThrow("ENXIO");
      expect(() => tree.open(link, { ...WRITE, truncate: true })).toThrow("ENXIO");
      expect(() => tree.setattr(link, { size: 0 })).toThrow("ENXIO");
      expect(() => tree.setattr(link, { mode: 0o777 })).toThrow("EOPNOTSUPP");
      tree.setattr(link, { mtime: { sec: 1, nsec: 0 } });
      expect(() => tree.create(tree.root, name, by(0o644), WRITE)).toThrow("EEXIST");
    }
    expect(lstatSync(secret).mtimeMs).toBeGreaterThan(1000);
    expect(readFileSync(secret, "utf8")).toBe("secret");
  });

  it("when a directory that the guest knows turns into a link", () => {
    const tree = new DirectoryTree(share);
    const dir = tree.mkdir(tree.root, "d", by(0o755));
    const inner = tree.mkdir(dir, "outside", by(0o755));
    const { node, file } = tree.create(inner, "secret", by(0o644), WRITE);
    file.close();
    // By the guest itself, and by somebody on the host.
    tree.rename(tree.root, "d", tree.root, "moved", PLAIN);
    tree.symlink(tree.root, "d", "..", by(0o777));
    expect(text(tree, node)).toBe("");
    renameSync(inShare("moved"), join(base, "gone"));
    symlinkSync("..", inShare("moved"));
    for (const operation of [
      () => tree.lookup(dir, "outside"),
      () => tree.readdir(inner),
      () => tree.lookup(inner, "secret"),
      () => tree.create(inner, "new", by(0o644), WRITE),
      () => tree.unlink(inner, "secret"),
      () => tree.open(node, READ),
      () => tree.setattr(node, { size: 0 }),
      () => tree.setattr(node, { mode: 0 }),
    ]) {
      expect(operation).toThrow(/ESTALE|ENOENT|ENOTDIR/);
    }
    expect(readFileSync(secret, "utf8")).toBe("secret");
  });

  it("when a file that the guest knows turns into another", () => {
    const tree = new DirectoryTree(share);
    writeFileSync(inShare("a"), "mine");
    const node = tree.lookup(tree.root, "a");
    renameSync(inShare("a"), inShare("b"));
    linkSync(secret, inShare("a"));
    expect(() => tree.open(node, READ)).toThrow("ESTALE");
    expect(() => tree.getattr(node)).toThrow("ESTALE");
    // By its new name it is itself again.
    expect(tree.lookup(tree.root, "b")).toBe(node);
    expect(text(tree, node)).toBe("mine");
  });

  it("when there are pipes and devices in it", () => {
    execFileSync("mkfifo", [inShare("pipe")]);
    const tree = new DirectoryTree(share);
    const pipe = tree.lookup(tree.root, "pipe");
    expect(() => tree.open(pipe, READ)).toThrow("ENXIO");
    expect(() => tree.open(pipe, WRITE)).toThrow("ENXIO");
    const device = { ...by(0o666), type: 0o020000, rdev: 0x103 };
    expect(() => tree.mknod(tree.root, "null", device)).toThrow("EPERM");
  });
});

describe("a shared directory", () => {
  it("shows what the host changes at once", () => {
    const tree = new DirectoryTree(share);
    writeFileSync(inShare("a"), "one");
    const node = tree.lookup(tree.root, "a");
    writeFileSync(inShare("a"), "two and more");
    expect(tree.getattr(node).size).toBe(12);
    expect(text(tree, node)).toBe("two and more");
    rmSync(inShare("a"));
    expect(() => tree.lookup(tree.root, "a")).toThrow("ENOENT");
    expect(tree.readdir(tree.root)).toEqual([]);
  });

  it("leaves out names that are no text", () => {
    writeFileSync(Buffer.concat([Buffer.from(`${share}/caf`), Buffer.of(0xe9)]), "");
    writeFileSync(inShare("café"), "");
    const tree = new DirectoryTree(share);
    expect(tree.readdir(tree.root).map(({ name }) => name)).toEqual(["café"]);
  });

  it("can be read-only", () => {
    writeFileSync(inShare("a"), "kept");
    const tree = new DirectoryTree(share, true);
    const node = tree.lookup(tree.root, "a");
    expect(text(tree, node)).toBe("kept");
    for (const operation of [
      () => tree.open(node, WRITE),
      () => tree.setattr(node, { mode: 0o777 }),
      () => tree.unlink(tree.root, "a"),
      () => tree.rename(tree.root, "a", tree.root, "b", PLAIN),
      () => tree.mkdir(tree.root, "d", by(0o755)),
      () => tree.link(node, tree.root, "b"),
      () => tree.symlink(tree.root, "l", "x", by(0o777)),
      () => tree.create(tree.root, "b", by(0o644), WRITE),
      () => tree.rmdir(tree.root, "a"),
    ]) {
      expect(operation).toThrow("EROFS");
    }
  });

  it("has to be one", () => {
    expect(() => new DirectoryTree(join(base, "none"))).toThrow(LoadError);
    expect(() => new DirectoryTree(secret)).toThrow(LoadError);
  });
});
