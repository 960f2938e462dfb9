/** The scenarios that reached something new, one file for each device, one scenario to a line. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Step } from "../src/virtio/testing/scenario.ts";

export type Corpus = readonly (readonly Step[])[];

const FOLDER = new URL("testdata/", import.meta.url);
const fileOf = (device: string) => new URL(`${device.replaceAll(" ", "-")}.json`, FOLDER);

export function readCorpus(device: string): Corpus {
  const file = fileOf(device);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Corpus) : [];
}

export function writeCorpus(device: string, corpus: Corpus): void {
  mkdirSync(FOLDER, { recursive: true });
  const lines = corpus.map((steps) => JSON.stringify(steps));
  writeFileSync(fileOf(device), `[\n${lines.join(",\n")}\n]\n`);
}
