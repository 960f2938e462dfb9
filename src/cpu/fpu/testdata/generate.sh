#!/bin/sh
# Regenerates cases.bin.gz from the RISC-V floating-point unit of QEMU.
# Needs riscv64-linux-gnu-gcc and qemu-riscv64. Usage: generate.sh [CASES [SEED [OUTPUT]]]
# For a longer run: generate.sh 100000 7 /tmp/cases.bin.gz && FPU_CASES=/tmp/cases.bin.gz npx vitest run src/cpu/fpu
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
riscv64-linux-gnu-gcc -O2 -Wall -Wextra -Werror -static -o "$work/oracle" "$here/oracle.c"
qemu-riscv64 "$work/oracle" "${2:-1}" "${1:-300}" > "$work/cases.bin"
gzip -9 -n -c "$work/cases.bin" > "${3:-$here/cases.bin.gz}"
