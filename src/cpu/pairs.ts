/**
 * The pairs met most often while Linux boots and Python runs: together 45% of all instructions that
 * are followed by the next one in memory. A name is a row's, with the bytes of the instruction, and n if
 * the target is in the same page.
 */
export const PAIRS = [
  "sd4 sd4, ld2 ld2, sd2 sd2, add2 add2, ld2 addi2, addi2 bltu4n, add2 ld2, addi2 sb4, addi2 sd2",
  "sb4 addi2, lb4 addi2, auipc4 addi4, slli2 add2, sd2 add2, lbu4 lbu4, ld2 add2, addi4 add2, ld4 ld4",
  "addi2 addi2, add2 jal4, addi2 add2, auipc4 ld4, ld2 beq2n, add2 beq4n, slli4 add2, addi4 sd2",
  "sw4 addi4, sd2 ld2, sw4 sw4, lw2 bne4n, lw2 addi2, add4 add2, add2 beq2n, sd2 sd4, add2 addi2",
  "slli4 sub2, ld2 sd2, lbu4 ld2, sub2 slli2, ld4 sub4, add2 sub2, lbu4 addi2, sub4 slli4, lui4 addi4",
  "slli2 or4, sub2 sw4, add2 sd2, add2 jal2, addi4 beq4n, addi4 lbu4, addi4 slli2, lw2 lw2, ld2 bne2",
  "add2 auipc4, andi2 bne2n, sd2 addi2, lbu4 beq2, addi2 bne4n, lw4 auipc4, lbu4 slli2, ld2 slli4",
  "addi2 beq4n",
].flatMap((line) => line.split(", "));
