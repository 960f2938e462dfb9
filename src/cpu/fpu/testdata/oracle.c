/*
 * Writes test cases for the floating-point unit: operands, rounding mode, result and fflags as a
 * RISC-V processor computes them. Usage: oracle SEED CASES_PER_FUNCTION > cases.bin
 *
 * Format, little-endian, per function: u8 length of the name, the name, u32 number of cases; per case
 * the operands (4 bytes for an i32, 8 for an i64), one byte rm | flags << 3, and the result (4 or 8).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint32_t u32;
typedef uint64_t u64;

static u64 state;

/* splitmix64 */
static u64 next(void) {
  u64 z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static u32 below(u32 n) { return next() % n; }

struct format { int exponent_bits, fraction_bits; };
static const struct format S = {8, 23}, D = {11, 52};

static u64 mask(int bits) { return bits >= 64 ? ~0ull : (1ull << bits) - 1; }

static u64 pack(struct format f, u64 sign, int64_t exponent, u64 fraction) {
  int64_t max = mask(f.exponent_bits);
  if (exponent < 0) exponent = 0;
  if (exponent > max) exponent = max;
  return (sign & 1) << (f.exponent_bits + f.fraction_bits) | (u64)exponent << f.fraction_bits |
         (fraction & mask(f.fraction_bits));
}

/* Fractions that carry far, tie, or have few bits. */
static u64 some_fraction(int bits) {
  u64 r = next();
  switch (below(9)) {
    case 0: return 0;
    case 1: return mask(bits);
    case 2: return 1ull << below(bits);
    case 3: return mask(bits) << below(bits);
    case 4: return mask(below(bits) + 1);
    case 5: return (1ull << below(bits)) | (1ull << below(bits));
    case 6: return r << (bits / 2 + below(3) - 1);
    case 7: return (r & mask(4)) | mask(bits) << 4;
    default: return r;
  }
}

static u64 edge(struct format f) {
  int bias = mask(f.exponent_bits - 1), max = mask(f.exponent_bits);
  u64 top = 1ull << (f.fraction_bits - 1), all = mask(f.fraction_bits), sign = next();
  switch (below(16)) {
    case 0: return pack(f, sign, 0, 0);
    case 1: return pack(f, sign, bias, 0);
    case 2: return pack(f, sign, 0, 1 + below(3));
    case 3: return pack(f, sign, 0, all - below(3));
    case 4: return pack(f, sign, 1, below(3));
    case 5: return pack(f, sign, max - 1, all - below(3));
    case 6: return pack(f, sign, max, 0);
    case 7: return pack(f, sign, max, top | (next() & below(2) * all));
    case 8: return pack(f, sign, max, 1 + (next() & (top - 2)));
    case 9: return pack(f, sign, bias + below(4) - 1, all - below(2));
    case 10: return pack(f, sign, bias + below(3), top >> below(3));
    case 11: return pack(f, sign, 0, top >> below(f.fraction_bits));
    case 12: return pack(f, sign, max - 1, 0);
    case 13: return pack(f, sign, bias + f.fraction_bits + below(3), some_fraction(f.fraction_bits));
    case 14: return pack(f, sign, 1 + below(f.fraction_bits + 3), some_fraction(f.fraction_bits));
    default: return pack(f, sign, bias, 1 + below(2));
  }
}

static u64 some_float(struct format f) {
  int bias = mask(f.exponent_bits - 1), max = mask(f.exponent_bits);
  u64 sign = next();
  switch (below(8)) {
    case 0: case 1: return edge(f);
    case 2: return next() & mask(1 + f.exponent_bits + f.fraction_bits);
    case 3: return pack(f, sign, 0, next() >> below(64));
    case 4: return pack(f, sign, below(max), some_fraction(f.fraction_bits));
    case 5: return pack(f, sign, bias + below(2 * f.fraction_bits) - f.fraction_bits, next());
    case 6: return pack(f, sign, bias + below(70) - 3, some_fraction(f.fraction_bits));
    default: return pack(f, sign, bias + below(5) - 2, some_fraction(f.fraction_bits));
  }
}

static int64_t exponent_of(struct format f, u64 a) {
  return a >> f.fraction_bits & mask(f.exponent_bits);
}

/* A second operand near the first: in its exponent, or in its last places with either sign. */
static u64 related(struct format f, u64 a) {
  int64_t e = exponent_of(f, a), span = f.fraction_bits + 4;
  u64 sign = 1ull << (f.exponent_bits + f.fraction_bits);
  switch (below(3)) {
    case 0: return (a ^ (next() & sign)) + below(5) - 2;
    case 1: return pack(f, next(), e + (int64_t)below(2 * span) - span, some_fraction(f.fraction_bits));
    default: return pack(f, next(), e + (int64_t)below(7) - 3, some_fraction(f.fraction_bits));
  }
}

static double as_double(u64 x) { double d; memcpy(&d, &x, 8); return d; }
static u64 of_double(double d) { u64 x; memcpy(&x, &d, 8); return x; }
static float as_float(u64 x) { u32 y = x; float d; memcpy(&d, &y, 4); return d; }
static u64 of_float(float d) { u32 x; memcpy(&x, &d, 4); return x; }

static u64 product_of(struct format f, u64 a, u64 b) {
  return f.fraction_bits == 52 ? of_double(as_double(a) * as_double(b))
                               : of_float(as_float(a) * as_float(b));
}

/* A second factor that brings the product near the least normal, or near overflow. */
static u64 extreme_factor(struct format f, u64 a, int divide) {
  int bias = mask(f.exponent_bits - 1), max = mask(f.exponent_bits);
  int64_t target = (below(2) ? max : 1) + (int64_t)below(9) - 4;
  if (below(3) == 0) target = -(int64_t)below(f.fraction_bits + 3);
  int64_t e = divide ? exponent_of(f, a) - target + bias : target - exponent_of(f, a) + bias;
  return pack(f, next(), e, some_fraction(f.fraction_bits));
}

typedef void generator(u64 *operands);

/* Results just around the least normal, where rounding decides whether they are tiny. */
static void around_least_normal(struct format f, u64 *o, int divide) {
  int bias = mask(f.exponent_bits - 1);
  u64 all = mask(f.fraction_bits);
  o[0] = pack(f, next(), 1, below(3));
  if (divide) o[1] = pack(f, next(), bias, below(4));
  else o[1] = pack(f, next(), bias - 1, all - below(4));
}

/* A product of about one significant bit more than fits, that is a tie or close to one. */
static void factors_of_tie(struct format f, u64 *o) {
  int bias = mask(f.exponent_bits - 1), width = f.fraction_bits;
  int first = below(2) ? width / 2 + below(5) : 1 + below(width - 1);
  int second = width - first + below(3);
  if (second > width) second = width;
  int bits[] = {first, second};
  for (int k = 0; k < 2; k++) {
    int unused = width - bits[k];
    u64 odd = bits[k] ? next() << unused | 1ull << unused : 0;
    o[k] = pack(f, next(), bias + below(60), odd);
  }
}

static void pair(struct format f, u64 *o, int divide) {
  o[0] = some_float(f);
  switch (below(16)) {
    case 0: case 1: case 2: o[1] = related(f, o[0]); break;
    case 3: case 4: case 5: o[1] = extreme_factor(f, o[0], divide); break;
    case 6: o[0] = edge(f), o[1] = o[0] ^ next() << (f.exponent_bits + f.fraction_bits); break;
    case 7: o[0] = pack(f, next(), 0, 0), o[1] = pack(f, next(), 0, 0); break;
    case 8: around_least_normal(f, o, divide); break;
    case 9: factors_of_tie(f, o); break;
    default: o[1] = some_float(f);
  }
  if (below(2) && !divide) { u64 t = o[0]; o[0] = o[1]; o[1] = t; }
  if (divide && below(4) == 0) o[0] = product_of(f, o[0], o[1]) + below(3) - 1;
}

static void triple(struct format f, u64 *o) {
  int kind = below(16);
  if (kind < 4) {
    factors_of_tie(f, o);
    int64_t e = exponent_of(f, product_of(f, o[0], o[1]));
    o[2] = pack(f, next(), e - f.fraction_bits - below(110), some_fraction(f.fraction_bits));
    return;
  }
  if (kind == 4) {
    o[0] = pack(f, next(), 0, 0);
    o[1] = pack(f, next(), mask(f.exponent_bits), 0);
    o[2] = edge(f);
    return;
  }
  pair(f, o, 0);
  u64 p = product_of(f, o[0], o[1]), sign = 1ull << (f.exponent_bits + f.fraction_bits);
  switch (below(5)) {
    case 0: o[2] = some_float(f); break;
    case 1: o[2] = (p ^ sign) + below(3) - 1; break;
    case 2: o[2] = p ^ (next() & sign); break;
    default: o[2] = related(f, p);
  }
}

static u64 integer(void) {
  u64 r = next();
  switch (below(7)) {
    case 6: return 1ull << (62 + below(2)) | below(3);
    case 0: return (int64_t)below(7) - 3;
    case 1: return (1ull << below(64)) + below(5) - 2;
    case 2: return mask(below(64) + 1) << below(64);
    case 3: return r;
    case 4: return -(u64)(r >> below(64));
    default: return r >> below(64);
  }
}

/* A value with a fraction near a half, or near a limit of an integer type. */
static u64 to_integer(struct format f) {
  static const int limits[] = {31, 32, 63, 64};
  int bias = mask(f.exponent_bits - 1);
  u64 r = next();
  double x;
  switch (below(4)) {
    case 0: return some_float(f);
    case 1: return pack(f, r, bias + limits[below(4)] - below(2), some_fraction(f.fraction_bits));
    case 2:
      x = (double)(int64_t)(below(64) - 32ull) + (double)below(9) / 8;
      break;
    default:
      x = (double)(r >> (32 + below(32))) + (below(2) ? 0.5 : 0.25 * below(4));
      if (below(2)) x += (double)(1ull << 31) * (1 + below(2)) - 2;
      if (below(2)) x = -x;
  }
  u64 bits = f.fraction_bits == 52 ? of_double(x) : of_float(x);
  return bits + (below(3) ? 0 : below(3) - 1);
}

static void one_s(u64 *o) { o[0] = some_float(S); }
static void one_d(u64 *o) { o[0] = some_float(D); }
static void two_s(u64 *o) { pair(S, o, 0); }
static void two_d(u64 *o) { pair(D, o, 0); }
static void div_s(u64 *o) { pair(S, o, 1); }
static void div_d(u64 *o) { pair(D, o, 1); }
static void three_s(u64 *o) { triple(S, o); }
static void three_d(u64 *o) { triple(D, o); }
static void int_s(u64 *o) { o[0] = to_integer(S); }
static void int_d(u64 *o) { o[0] = to_integer(D); }
static void integer_w(u64 *o) { o[0] = integer(); }

static void sqrt_s(u64 *o) {
  o[0] = some_float(S);
  if (below(3) == 0) o[0] = product_of(S, o[0], o[0]) + below(3) - 1;
  if (below(2)) o[0] &= mask(31);
}

static void sqrt_d(u64 *o) {
  o[0] = some_float(D);
  if (below(3) == 0) o[0] = product_of(D, o[0], o[0]) + below(3) - 1;
  if (below(2)) o[0] &= mask(63);
}

/* A binary64 near a tie of binary32, or near its limits. */
static void narrow_d(u64 *o) {
  o[0] = some_float(D);
  if (below(2)) {
    int64_t e = below(2) ? 1023 - 155 + below(40) : below(2) ? 1023 - 127 : 1023 + 124 + below(6);
    u64 low = (u64)below(3) << 28;
    o[0] = pack(D, next(), e, some_fraction(24) << 29 | (low + below(3) - 1));
    if (below(2)) o[0] = pack(D, next(), e, below(2) ? some_fraction(52) : mask(52) << (27 + below(4)));
  } else if (below(2)) {
    o[0] = of_double((double)as_float(some_float(S))) + ((u64)below(3) << 28) + below(3) - 1;
  }
}

/* Each operation runs on cleared flags; operands and results are raw bits in integer registers. */
#define FLOW(setup, op) \
  u64 r; \
  __asm__ volatile(setup "fsflags zero\n\t" op "frflags %1" \
                   : "=r"(r), "=r"(*flags) \
                   : "r"(o[0]), "r"(o[1]), "r"(o[2]) \
                   : "ft0", "ft1", "ft2", "ft3"); \
  return r;
#define IN(x) "fmv." x ".x ft0, %2\n\tfmv." x ".x ft1, %3\n\tfmv." x ".x ft2, %4\n\t"
#define FLOAT1(t, x, op) FLOW(IN(x), op " ft3, ft0\n\tfmv.x." t " %0, ft3\n\t")
#define FLOAT2(t, x, op) FLOW(IN(x), op " ft3, ft0, ft1\n\tfmv.x." t " %0, ft3\n\t")
#define FLOAT3(t, x, op) FLOW(IN(x), op " ft3, ft0, ft1, ft2\n\tfmv.x." t " %0, ft3\n\t")
#define INT1(x, op) FLOW(IN(x), op " %0, ft0\n\t")
#define INT2(x, op) FLOW(IN(x), op " %0, ft0, ft1\n\t")
#define FROM(t, op) FLOW("", op " ft3, %2\n\tfmv.x." t " %0, ft3\n\t")

typedef u64 operation(const u64 *o, u64 *flags);

#define FUNCTIONS(F) \
  F(f32_add, "sss", two_s, FLOAT2("w", "w", "fadd.s")) \
  F(f32_sub, "sss", two_s, FLOAT2("w", "w", "fsub.s")) \
  F(f32_mul, "sss", two_s, FLOAT2("w", "w", "fmul.s")) \
  F(f32_div, "sss", div_s, FLOAT2("w", "w", "fdiv.s")) \
  F(f32_sqrt, "ss", sqrt_s, FLOAT1("w", "w", "fsqrt.s")) \
  F(f32_fma, "ssss", three_s, FLOAT3("w", "w", "fmadd.s")) \
  F(f32_min, "sss", two_s, FLOAT2("w", "w", "fmin.s")) \
  F(f32_max, "sss", two_s, FLOAT2("w", "w", "fmax.s")) \
  F(f32_eq, "ssd", two_s, INT2("w", "feq.s")) \
  F(f32_lt, "ssd", two_s, INT2("w", "flt.s")) \
  F(f32_le, "ssd", two_s, INT2("w", "fle.s")) \
  F(f32_classify, "sd", one_s, INT1("w", "fclass.s")) \
  F(f32_to_i32, "sd", int_s, INT1("w", "fcvt.w.s")) \
  F(f32_to_u32, "sd", int_s, INT1("w", "fcvt.wu.s")) \
  F(f32_to_i64, "sd", int_s, INT1("w", "fcvt.l.s")) \
  F(f32_to_u64, "sd", int_s, INT1("w", "fcvt.lu.s")) \
  F(f32_to_f64, "sd", one_s, FLOAT1("d", "w", "fcvt.d.s")) \
  F(i32_to_f32, "ds", integer_w, FROM("w", "fcvt.s.w")) \
  F(u32_to_f32, "ds", integer_w, FROM("w", "fcvt.s.wu")) \
  F(i64_to_f32, "ds", integer_w, FROM("w", "fcvt.s.l")) \
  F(u64_to_f32, "ds", integer_w, FROM("w", "fcvt.s.lu")) \
  F(f64_add, "ddd", two_d, FLOAT2("d", "d", "fadd.d")) \
  F(f64_sub, "ddd", two_d, FLOAT2("d", "d", "fsub.d")) \
  F(f64_mul, "ddd", two_d, FLOAT2("d", "d", "fmul.d")) \
  F(f64_div, "ddd", div_d, FLOAT2("d", "d", "fdiv.d")) \
  F(f64_sqrt, "dd", sqrt_d, FLOAT1("d", "d", "fsqrt.d")) \
  F(f64_fma, "dddd", three_d, FLOAT3("d", "d", "fmadd.d")) \
  F(f64_min, "ddd", two_d, FLOAT2("d", "d", "fmin.d")) \
  F(f64_max, "ddd", two_d, FLOAT2("d", "d", "fmax.d")) \
  F(f64_eq, "ddd", two_d, INT2("d", "feq.d")) \
  F(f64_lt, "ddd", two_d, INT2("d", "flt.d")) \
  F(f64_le, "ddd", two_d, INT2("d", "fle.d")) \
  F(f64_classify, "dd", one_d, INT1("d", "fclass.d")) \
  F(f64_to_i32, "dd", int_d, INT1("d", "fcvt.w.d")) \
  F(f64_to_u32, "dd", int_d, INT1("d", "fcvt.wu.d")) \
  F(f64_to_i64, "dd", int_d, INT1("d", "fcvt.l.d")) \
  F(f64_to_u64, "dd", int_d, INT1("d", "fcvt.lu.d")) \
  F(f64_to_f32, "ds", narrow_d, FLOAT1("w", "d", "fcvt.s.d")) \
  F(i32_to_f64, "dd", integer_w, FROM("d", "fcvt.d.w")) \
  F(u32_to_f64, "dd", integer_w, FROM("d", "fcvt.d.wu")) \
  F(i64_to_f64, "dd", integer_w, FROM("d", "fcvt.d.l")) \
  F(u64_to_f64, "dd", integer_w, FROM("d", "fcvt.d.lu"))

#define DEFINE(name, shape, generate, body) \
  static u64 name(const u64 *o, u64 *flags) { body }
FUNCTIONS(DEFINE)

#define ROW(name, shape, generate, body) {#name, shape, generate, name},
static const struct {
  const char *name;
  const char *shape; /* one letter per operand, then the result: s is 32 bits wide, d 64 */
  generator *generate;
  operation *run;
} functions[] = {FUNCTIONS(ROW)};

static void put(u64 value, int bytes) { fwrite(&value, bytes, 1, stdout); }

static int width(char letter) { return letter == 's' ? 4 : 8; }

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  state = strtoull(argv[1], 0, 0);
  u32 cases = atoi(argv[2]);
  for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
    const char *shape = functions[f].shape;
    int arity = strlen(shape) - 1;
    put(strlen(functions[f].name), 1);
    fputs(functions[f].name, stdout);
    put(cases, 4);
    for (u32 k = 0; k < cases; k++) {
      /* To nearest even, where the short cuts are, has two shares of six. */
      u64 o[3] = {0}, flags, rm = k % 6 % 5;
      __asm__ volatile("fsrm zero");
      functions[f].generate(o);
      for (int p = 0; p < arity; p++) o[p] &= mask(8 * width(shape[p]));
      __asm__ volatile("fsrm %0" ::"r"(rm));
      u64 result = functions[f].run(o, &flags);
      for (int p = 0; p < arity; p++) put(o[p], width(shape[p]));
      put(rm | flags << 3, 1);
      put(result, width(shape[arity]));
    }
  }
  return 0;
}
