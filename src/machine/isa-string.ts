/** The `riscv,isa` string of a hart from the list of its extensions. */

/**
 * Order of single-letter extensions, which also orders the Z extensions by their second letter (The
 * RISC-V Instruction Set Manual, volume I, "ISA Extension Naming Conventions"). Linux stops at a
 * string in another order.
 */
const CANONICAL = "iemafdqlcbkjtpvnh";

/**
 * `rv64` with single letters first, then Z extensions by category, then S extensions, then vendor
 * ones, multi-letter names separated by underscores.
 */
export function isaString(extensions: readonly string[]): string {
  const single = extensions.filter((name) => name.length === 1);
  const multi = extensions.filter((name) => name.length > 1);
  single.sort((a, b) => CANONICAL.indexOf(a) - CANONICAL.indexOf(b));
  multi.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return [`rv64${single.join("")}`, ...multi].join("_");
}

function rank(name: string): number {
  if (name[0] === "z") return CANONICAL.indexOf(name[1]);
  return CANONICAL.length + (name[0] === "s" ? 0 : 1);
}
