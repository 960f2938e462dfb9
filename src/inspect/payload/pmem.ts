/** Requests of the persistent memory device (virtio 5.19.6). */
import { PmemRequest, PmemResult } from "../../virtio/devices/pmem.ts";
import type { Decoder } from "./field.ts";
import { hex, named, nameOf, namesOf, opOf } from "./names.ts";
import { readAnswer, readRequest } from "./reader.ts";

const REQUESTS = namesOf(PmemRequest);
const RESULTS = namesOf(PmemResult);

export const decodePmem: Decoder = (exchange, payload) => {
  readRequest(exchange, payload.fields, (reader) => {
    payload.op = opOf(REQUESTS, reader.u32("type", named(REQUESTS)));
    reader.rest("rest");
  });
  readAnswer(exchange, payload.fields, (reader) => {
    payload.summary = nameOf(RESULTS, reader.u32("ret", named(RESULTS, hex)), hex);
  });
};
