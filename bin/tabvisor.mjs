#!/usr/bin/env node
import { register } from "tsx/esm/api";

register();
const { main } = await import("../cli/main.ts");
const code = await main(process.argv.slice(2));
// Not at once: what is still on its way to a pipe has to arrive.
if (code !== undefined) process.exitCode = code;
