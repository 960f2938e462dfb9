/** Devices that share files, for tests. */
import { NinePDevice } from "../devices/9p.ts";
import { FsDevice } from "../devices/fs.ts";
import { Opcode } from "../devices/fuse/abi.ts";
import { DAX_BLOCK } from "../devices/fuse/dax-window.ts";
import { sharedTree } from "./shared-tree.ts";
import { type HonestRequest, type Specimens, text, windowOf, words } from "./specimen.ts";

/** Length, opcode, unique, node, user and group, as `struct fuse_in_header` has them, and the rest. */
function fuseRequest(opcode: number, node: number, args: Uint8Array, room: number): HonestRequest {
  const header = words(40 + args.length, opcode, 1, 0, node, 0, 0, 0, 0, 0);
  return { queue: 1, readable: [Uint8Array.of(...header, ...args)], writable: [16, room] };
}

/** What a guest asks of `sharedTree`. */
function* fuseRequests(): Generator<HonestRequest> {
  const { readable = [] } = fuseRequest(Opcode.FORGET, 2, words(1, 0), 0);
  yield { queue: 0, readable };
  yield fuseRequest(Opcode.INIT, 0, words(7, 41, 4096, -1, ...new Array(12).fill(0)), 64);
  yield fuseRequest(Opcode.LOOKUP, 1, text("a\0"), 128);
  yield fuseRequest(Opcode.OPEN, 2, words(2, 0), 16);
  yield fuseRequest(Opcode.READ, 2, words(1, 0, 0, 0, 64, 0, 0, 0, 0, 0), 64);
}

export const FILE_SPECIMENS: Specimens = {
  fs: () => ({ device: new FsDevice("fs0", "share", sharedTree()), requests: [...fuseRequests()] }),
  "fs with DAX": () => ({
    device: new FsDevice("fs0", "share", sharedTree(), windowOf(1)),
    requests: [
      ...fuseRequests(),
      fuseRequest(Opcode.SETUPMAPPING, 2, words(0, 0, 0, 0, DAX_BLOCK, 0, 3, 0, 0, 0), 0),
      fuseRequest(Opcode.FSYNC, 2, words(1, 0, 0, 0), 0),
      fuseRequest(Opcode.REMOVEMAPPING, 2, words(1, 0, 0, DAX_BLOCK, 0), 0),
    ],
  }),
  "9p": () => {
    const ask = (writable: readonly number[], type: number, ...args: number[]): HonestRequest => ({
      queue: 0,
      readable: [Uint8Array.of(7 + args.length, 0, 0, 0, type, 1, 0, ...args)],
      writable,
    });
    return {
      device: new NinePDevice("fs1", "share", sharedTree()),
      requests: [
        // Tversion, Tattach, Twalk, Tlopen, Tread.
        ask([64], 100, 0, 0, 1, 0, 8, 0, ...text("9P2000.L")),
        ask([64], 104, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0),
        ask([64], 110, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, ...text("a")),
        ask([64], 12, 1, 0, 0, 0, 2, 0, 0, 0),
        ask([11, 64], 116, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0),
      ],
    };
  },
};
