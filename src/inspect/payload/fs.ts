/** Requests of the file system device: FUSE (virtio 5.11.6, Linux's `fuse.h`). */
import { IN_HEADER_SIZE, Opcode, OUT_HEADER_SIZE } from "../../virtio/devices/fuse/abi.ts";
import { errnoName, showErrno } from "./errno.ts";
import type { Decoder } from "./field.ts";
import { FUSE_ANSWERS } from "./fuse-answers.ts";
import { FUSE_REQUESTS } from "./fuse-requests.ts";
import { named, namesOf, opOf } from "./names.ts";
import { readAnswer, readRequest } from "./reader.ts";

const OPCODES = namesOf(Opcode);

export const decodeFs: Decoder = (exchange, payload) => {
  let opcode = 0;
  readRequest(exchange, payload.fields, (reader) => {
    let length = IN_HEADER_SIZE;
    let node = 0n;
    reader.group("fuse_in_header", () => {
      length = reader.u32("len");
      opcode = reader.u32("opcode", named(OPCODES));
      payload.op = opOf(OPCODES, opcode);
      reader.u64("unique");
      node = reader.u64("nodeid");
      payload.summary = `node ${node}`;
      reader.u32("uid");
      reader.u32("gid");
      reader.u32("pid");
      reader.u32("padding");
      return `${payload.op} on node ${node}`;
    });
    reader.within(Math.max(0, length - IN_HEADER_SIZE), () => {
      const argument = FUSE_REQUESTS.get(opcode)?.(reader) ?? "";
      if (argument !== "") payload.summary += ` ${argument}`;
      reader.rest("data");
    });
  });
  readAnswer(exchange, payload.fields, (reader) => {
    let error = 0;
    reader.group("fuse_out_header", () => {
      const length = reader.u32("len");
      error = reader.i32("error", (value) => (value === 0 ? "0" : `-${showErrno(-value)}`));
      reader.u64("unique");
      return error === 0
        ? `${Math.max(0, length - OUT_HEADER_SIZE)} bytes follow`
        : errnoName(-error);
    });
    if (error !== 0) {
      payload.summary += `: ${errnoName(-error)}`;
      return;
    }
    const result = FUSE_ANSWERS.get(opcode)?.(reader) ?? "";
    if (result !== "") payload.summary += ` → ${result}`;
    reader.rest("data");
  });
};
