/** Programs of the host that tests compare with. */
import { spawnSync } from "node:child_process";

/** Whether it is installed; in continuous integration always, so that a test that misses it fails. */
export function isExpected(program: string): boolean {
  return process.env.CI !== undefined || spawnSync(program, ["--version"]).status === 0;
}
