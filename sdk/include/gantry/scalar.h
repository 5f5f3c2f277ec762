/* scalar.h - scalar mathematics in the common subset of C11 and CUDA C: the same text gives the same bits everywhere.
 *
 * In goes a float (gk_exp) or a double (gk_expd), out comes the result over the full range: overflow to infinity, gradual underflow,
 * NaN in gives NaN out. Only + - * /, comparisons, bit casts and the exactly rounded sqrt and floor are used, so every compiler that
 * does not contract or reassociate agrees on the last bit. No branches, calls or tables: loops over these functions vectorise.
 *
 * Accuracy against the exact value: float at most 4 units in the last place, double about 1e-15 relative (pow: 1e-13 at extreme results).
 * sin and cos reduce their argument exactly for |x| <= 2^30 (float) and 2^20 (double) and give NaN beyond.
 * Coefficients: Chebyshev interpolation of the function in 60 digits, rounded. */
#ifndef GANTRY_SCALAR_H
#define GANTRY_SCALAR_H
#ifdef __CUDACC_RTC__
#define GK_FN static inline __device__
#elif defined(__CUDACC__)
#include <math.h>
#define GK_FN static inline __host__ __device__
#else
#include <math.h>
#define GK_FN static inline __attribute__((unused, always_inline))
#endif
typedef unsigned int gk_u32;
typedef unsigned long long gk_u64;

GK_FN float gk_from_bits(gk_u32 u) { union { gk_u32 u; float f; } v; v.u = u; return v.f; }
GK_FN gk_u32 gk_bits(float f) { union { gk_u32 u; float f; } v; v.f = f; return v.u; }
GK_FN double gk_from_bitsd(gk_u64 u) { union { gk_u64 u; double f; } v; v.u = u; return v.f; }
GK_FN gk_u64 gk_bitsd(double f) { union { gk_u64 u; double f; } v; v.f = f; return v.u; }
GK_FN float gk_abs(float x) { return gk_from_bits(gk_bits(x) & 0x7fffffffu); }
GK_FN double gk_absd(double x) { return gk_from_bitsd(gk_bitsd(x) & 0x7fffffffffffffffull); }
GK_FN float gk_copysign(float x, float s) { return gk_from_bits((gk_bits(x) & 0x7fffffffu) | (gk_bits(s) & 0x80000000u)); }
GK_FN double gk_copysignd(double x, double s) { return gk_from_bitsd((gk_bitsd(x) & 0x7fffffffffffffffull) | (gk_bitsd(s) & 0x8000000000000000ull)); }
#define GK_NAN gk_from_bits(0x7fc00000u)
#define GK_INF gk_from_bits(0x7f800000u)
#define GK_NAND gk_from_bitsd(0x7ff8000000000000ull)
#define GK_INFD gk_from_bitsd(0x7ff0000000000000ull)

/* bf16 is the upper half of a float: to nearest, ties to even; NaN stays a quiet NaN */
GK_FN unsigned short gk_to_bf16(float x) {
  gk_u32 u = gk_bits(x), r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16, q = (u >> 16) | 0x40u;
  return (unsigned short)(x != x ? q : r);
}
GK_FN float gk_from_bf16(unsigned short b) { return gk_from_bits((gk_u32)b << 16); }
GK_FN float gk_round_bf16(float x) {
  gk_u32 u = gk_bits(x), r = (u + 0x7fffu + ((u >> 16) & 1u)) & 0xffff0000u, q = (u & 0xffff0000u) | 0x400000u;
  return gk_from_bits(x != x ? q : r);
}

/* the larger and the smaller; a NaN on either side wins */
GK_FN float gk_max(float a, float b) { return (a > b) | (a != a) ? a : b; }
GK_FN float gk_min(float a, float b) { return (a < b) | (a != a) ? a : b; }
GK_FN double gk_maxd(double a, double b) { return (a > b) | (a != a) ? a : b; }
GK_FN double gk_mind(double a, double b) { return (a < b) | (a != a) ? a : b; }
GK_FN float gk_sign(float x) { float s = x > 0.f ? 1.f : 0.f; s = x < 0.f ? -1.f : s; return x != x ? x : s; }
GK_FN double gk_signd(double x) { double s = x > 0. ? 1. : 0.; s = x < 0. ? -1. : s; return x != x ? x : s; }
GK_FN float gk_sqrt(float x) { return sqrtf(x); }
GK_FN double gk_sqrtd(double x) { return sqrt(x); }
GK_FN float gk_floor(float x) { return floorf(x); }
GK_FN double gk_floord(double x) { return floor(x); }
GK_FN float gk_round(float x) { float f = floorf(x), d = x - f; return d > 0.5f || (d == 0.5f && f - 2.f * floorf(f * 0.5f) == 1.f) ? f + 1.f : f; }
GK_FN double gk_roundd(double x) { double f = floor(x), d = x - f; return d > 0.5 || (d == 0.5 && f - 2. * floor(f * 0.5) == 1.) ? f + 1. : f; }

/* 2^k for k within the normal exponents */
GK_FN float gk_two_to(int k) { return gk_from_bits((gk_u32)(k + 127) << 23); }
GK_FN double gk_two_tod(gk_u64 k) { return gk_from_bitsd((k + 1023u) << 52); } /* k in two's complement */

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2 */
GK_FN float gk_exp_tail(float r) {
  float p = 0.001392692661f;
  p = p * r + 0.008363773874f;
  p = p * r + 0.04166655011f;
  p = p * r + 0.1666657338f;
  return p * r + 0.5f;
}
GK_FN double gk_exp_taild(double r) {
  double p = 2.09154422977801152e-9;
  p = p * r + 2.51062747335732947e-8;
  p = p * r + 2.75572718102197996e-7;
  p = p * r + 2.75572528335169097e-6;
  p = p * r + 0.0000248015873270071867;
  p = p * r + 0.000198412698768643549;
  p = p * r + 0.00138888888888833267;
  p = p * r + 0.0083333333333255447;
  p = p * r + 0.0416666666666666701;
  p = p * r + 0.166666666666666714;
  return p * r + 0.5;
}

GK_FN float gk_exp(float x) {
  float c = x > 89.f ? 89.f : x, n, r;
  int k, h;
  c = c < -104.f ? -104.f : c;
  n = c * 1.44269504f + 12582912.f; /* rounds to an integer, which the low bits then hold */
  k = (int)(gk_bits(n) - 0x4b400000u);
  k = x != x ? 0 : k;
  n = n - 12582912.f;
  r = (c - n * 0.693115234375f) - n * 0.0000319461849f;
  h = k >> 1; /* in two halves: 2^k alone may be beyond the range */
  return (r * r * gk_exp_tail(r) + r + 1.f) * gk_two_to(h) * gk_two_to(k - h);
}
GK_FN double gk_expd(double x) {
  double c = x > 710. ? 710. : x, n, r;
  gk_u64 k, h;
  c = c < -746. ? -746. : c;
  n = c * 1.44269504088896341 + 6755399441055744.;
  k = gk_bitsd(n) - 0x4338000000000000ull;
  k = x != x ? 0u : k;
  n = n - 6755399441055744.;
  r = (c - n * 0.69314718036912381649) - n * 1.9082149292705878161e-10;
  h = ((k + 4096u) >> 1) - 2048u;
  return (r * r * gk_exp_taild(r) + r + 1.) * gk_two_tod(h) * gk_two_tod(k - h);
}

GK_FN float gk_expm1(float x) {
  float c = x > 89.f ? 89.f : x, n, r, p, t, y;
  int k;
  c = c < -30.f ? -30.f : c;
  n = c * 1.44269504f + 12582912.f;
  k = (int)(gk_bits(n) - 0x4b400000u);
  k = x != x ? 0 : k;
  n = n - 12582912.f;
  r = (c - n * 0.693115234375f) - n * 0.0000319461849f;
  p = r * r * gk_exp_tail(r) + r;
  t = gk_two_to(k - 1);
  y = 2.f * (t * p + (t - 0.5f));
  return k == 0 ? p : y;
}
GK_FN double gk_expm1d(double x) {
  double c = x > 710. ? 710. : x, n, r, p, t, y;
  gk_u64 k;
  c = c < -60. ? -60. : c;
  n = c * 1.44269504088896341 + 6755399441055744.;
  k = gk_bitsd(n) - 0x4338000000000000ull;
  k = x != x ? 0u : k;
  n = n - 6755399441055744.;
  r = (c - n * 0.69314718036912381649) - n * 1.9082149292705878161e-10;
  p = r * r * gk_exp_taild(r) + r;
  t = gk_two_tod(k - 1u);
  y = 2. * (t * p + (t - 0.5));
  return k == 0 ? p : y;
}

/* log(x (1 + e)) for x > 0 finite and a tiny e that rounding lost */
GK_FN float gk_log_core(float x, float e) {
  float s = x < 1.17549435e-38f ? x * 8388608.f : x, f, z, p, n;
  gk_u32 u = gk_bits(s) - 0x3f3504f3u; /* the mantissa lands in [sqrt(1/2), sqrt(2)) */
  int k = (int)u >> 23;
  f = gk_from_bits((u & 0x7fffffu) + 0x3f3504f3u) - 1.f;
  k = x < 1.17549435e-38f ? k - 23 : k;
  n = (float)k;
  z = f * f;
  p = 0.06971611471f;
  p = p * f - 0.1147973385f;
  p = p * f + 0.1168541992f;
  p = p * f - 0.1242568733f;
  p = p * f + 0.1424905765f;
  p = p * f - 0.1666780232f;
  p = p * f + 0.2000071575f;
  p = p * f - 0.2499999696f;
  p = p * f + 0.3333333118f;
  p = p * f * z + (n * 0.0000319461849f + e);
  return n * 0.693115234375f + (f + (p - 0.5f * z));
}
GK_FN double gk_log_cored(double x, double e) {
  double t = x < 2.2250738585072014e-308 ? x * 4503599627370496. : x, f, s, z, r, h, n;
  gk_u64 u = gk_bitsd(t) - 0x3fe6a09e667f3bcdull;
  gk_u64 k = (u + 0x4000000000000000ull) >> 52; /* exponent + 1024 */
  f = gk_from_bitsd((u & 0xfffffffffffffull) + 0x3fe6a09e667f3bcdull) - 1.;
  n = gk_from_bitsd(0x4330000000000000ull + k) - (4503599627370496. + 1024.);
  n = x < 2.2250738585072014e-308 ? n - 52. : n;
  s = f / (2. + f);
  z = s * s;
  r = 0.130880348509275538;
  r = r * z + 0.132686383692668239;
  r = r * z + 0.153862447376216666;
  r = r * z + 0.181817955475211362;
  r = r * z + 0.222222223925810451;
  r = r * z + 0.28571428570799785;
  r = r * z + 0.400000000000008832;
  r = (r * z + 0.666666666666666665) * z;
  h = 0.5 * f * f;
  return n * 0.69314718036912381649 + (f - (h - (s * (h + r) + (n * 1.9082149292705878161e-10 + e))));
}
GK_FN float gk_log(float x) {
  float y = gk_log_core(x, 0.f);
  y = x == 0.f ? -GK_INF : y;
  y = x < 0.f ? GK_NAN : y;
  return (x == GK_INF) | (x != x) ? x : y;
}
GK_FN double gk_logd(double x) {
  double y = gk_log_cored(x, 0.);
  y = x == 0. ? -GK_INFD : y;
  y = x < 0. ? GK_NAND : y;
  return (x == GK_INFD) | (x != x) ? x : y;
}
GK_FN float gk_log1p(float x) {
  float u = 1.f + x, lost = x >= 1.f ? 1.f - (u - x) : x - (u - 1.f), y = gk_log_core(u, lost / u);
  y = u == 0.f ? -GK_INF : y;
  y = u < 0.f ? GK_NAN : y;
  return (x == GK_INF) | (x != x) | (x == 0.f) ? x : y;
}
GK_FN double gk_log1pd(double x) {
  double u = 1. + x, lost = x >= 1. ? 1. - (u - x) : x - (u - 1.), y = gk_log_cored(u, lost / u);
  y = u == 0. ? -GK_INFD : y;
  y = u < 0. ? GK_NAND : y;
  return (x == GK_INFD) | (x != x) | (x == 0.) ? x : y;
}

/* r = x - q pi/2 with |r| <= pi/4; the low two bits of q are the quadrant. pi/2 in parts of 33 bits: q times a part is exact. */
GK_FN double gk_reduced(double x, gk_u64 *q) {
  double n = x * 0.63661977236758134308 + 6755399441055744.;
  *q = gk_bitsd(n);
  n = n - 6755399441055744.;
  return ((x - n * 1.570796326734125614166) - n * 6.077100506303965976596e-11) - n * 2.0222662487959507324e-21;
}
/* sin (turn = 0) or cos (turn = 1) */
GK_FN float gk_sincos(float x, gk_u64 turn) {
  gk_u64 q;
  float r = (float)gk_reduced((double)x, &q), z = r * r, s, c, y;
  gk_u32 quadrant = (gk_u32)(q + turn);
  s = -0.0001958738707f;
  s = s * z + 0.008332745936f;
  s = s * z - 0.1666666465f;
  s = s * z * r + r;
  c = 2.454743721e-5f;
  c = c * z - 0.00138883007f;
  c = c * z + 0.04166666465f;
  c = c * z * z - 0.5f * z + 1.f;
  y = quadrant & 1u ? c : s;
  y = gk_from_bits(gk_bits(y) ^ ((quadrant & 2u) << 30));
  return gk_abs(x) <= 1073741824.f ? y : GK_NAN;
}
GK_FN double gk_sincosd(double x, gk_u64 turn) {
  gk_u64 q;
  double r = gk_reduced(x, &q), z = r * r, s, c, y;
  q = q + turn;
  s = 1.5917848524808261e-10;
  s = s * z - 2.50511279440141876e-8;
  s = s * z + 2.75573160838163586e-6;
  s = s * z - 0.000198412698367224178;
  s = s * z + 0.00833333333333092456;
  s = s * z - 0.166666666666666646;
  s = s * z * r + r;
  c = -1.13824567780613058e-11;
  c = c * z + 2.08761438279931325e-9;
  c = c * z - 2.75573172600088382e-7;
  c = c * z + 0.0000248015872987430693;
  c = c * z - 0.00138888888888873823;
  c = c * z + 0.0416666666666666654;
  c = c * z * z - 0.5 * z + 1.;
  y = q & 1u ? c : s;
  y = gk_from_bitsd(gk_bitsd(y) ^ ((q & 2u) << 62));
  return gk_absd(x) <= 1048576. ? y : GK_NAND;
}
GK_FN float gk_sin(float x) { return x == 0.f ? x : gk_sincos(x, 0); }
GK_FN float gk_cos(float x) { return gk_sincos(x, 1); }
GK_FN double gk_sind(double x) { return x == 0. ? x : gk_sincosd(x, 0); }
GK_FN double gk_cosd(double x) { return gk_sincosd(x, 1); }

GK_FN float gk_tanh(float x) {
  float t = gk_expm1(-2.f * gk_abs(x));
  return gk_copysign(t / (2.f + t), x);
}
GK_FN double gk_tanhd(double x) {
  double t = gk_expm1d(-2. * gk_absd(x));
  return gk_copysignd(t / (2. + t), x);
}
GK_FN float gk_sigmoid(float x) {
  float e = gk_exp(-gk_abs(x)), n = x >= 0.f ? 1.f : e;
  return n / (1.f + e);
}
GK_FN double gk_sigmoidd(double x) {
  double e = gk_expd(-gk_absd(x)), n = x >= 0. ? 1. : e;
  return n / (1. + e);
}

/* below 1 an odd polynomial; above, 1 - exp(log(erfc)), whose polynomial is fitted as log(erfc x) + x^2 */
GK_FN float gk_erf(float x) {
  float a = gk_abs(x), z = a * a, c = a > 4.f ? 4.f : a, p, q;
  p = 7.875875063e-5f;
  p = p * z - 0.0008016864287f;
  p = p * z + 0.005189087423f;
  p = p * z - 0.02685421201f;
  p = p * z + 0.1128359472f;
  p = p * z - 0.3761262667f;
  p = (p * z + 0.1283791658f) * a + a;
  q = 1.637151415e-6f;
  q = q * c - 4.605804269e-5f;
  q = q * c + 0.0005968056257f;
  q = q * c - 0.004759596293f;
  q = q * c + 0.02642113601f;
  q = q * c - 0.1100800829f;
  q = q * c + 0.3681739484f;
  q = q * c - 1.130233435f;
  q = q * c + 0.0003201380497f;
  q = 1.f - gk_exp(q - c * c);
  return gk_copysign(a < 1.f ? p : q, x) + (x != x ? x : 0.f);
}
GK_FN double gk_erfd(double x) {
  double a = gk_absd(x), z = a * a, c = a > 6. ? 6. : a, p, q, t;
  p = -4.23094582429533782e-12;
  p = p * z + 8.70904512905310669e-11;
  p = p * z - 1.21645600572834501e-9;
  p = p * z + 1.4792401209404813e-8;
  p = p * z - 1.63646421581676153e-7;
  p = p * z + 1.64620454414684189e-6;
  p = p * z - 0.0000149256475675193321;
  p = p * z + 0.000120553329028887354;
  p = p * z - 0.00085483270219348296;
  p = p * z + 0.00522397762542329831;
  p = p * z - 0.0268661706451298408;
  p = p * z + 0.112837916709551202;
  p = p * z - 0.376126389031837524;
  p = (p * z + 0.128379167095512574) * a + a;
  t = c - 3.5;
  q = 6.32552058871849272e-19;
  q = q * t - 5.09527760266909521e-18;
  q = q * t + 7.95415950552728652e-18;
  q = q * t + 2.07184957445762539e-17;
  q = q * t - 2.37276178676315808e-17;
  q = q * t + 5.18112696321671019e-16;
  q = q * t - 8.93331293903663731e-15;
  q = q * t + 6.73265894390408242e-14;
  q = q * t - 3.93655553611787059e-13;
  q = q * t + 2.05374382433180993e-12;
  q = q * t - 9.18163254922417323e-12;
  q = q * t + 3.06579974706522549e-11;
  q = q * t - 2.47979619273135327e-11;
  q = q * t - 7.7490982160991445e-10;
  q = q * t + 9.53166232456755978e-9;
  q = q * t - 8.0693009210598874e-8;
  q = q * t + 5.85614342021468573e-7;
  q = q * t - 3.8895571774332908e-6;
  q = q * t + 0.000024386373538371928;
  q = q * t - 0.000147297774887817438;
  q = q * t + 0.000873687323640823716;
  q = q * t - 0.00522565822194286061;
  q = q * t + 0.0332469452577698511;
  q = q * t - 0.266099588365190673;
  q = q * t - 1.86243740214817376;
  q = 1. - gk_expd(q - c * c);
  return gk_copysignd(a < 1. ? p : q, x) + (x != x ? x : 0.);
}

/* angle of the point (x, y) */
GK_FN float gk_atan2(float y, float x) {
  float ay = gk_abs(y), ax = gk_abs(x), hi, lo, num, den, t, z, p, off;
  int both = (ay == GK_INF) & (ax == GK_INF), steep, wide;
  ay = both ? 1.f : ay;
  ax = both ? 1.f : ax;
  steep = ay > ax;
  hi = steep ? ay : ax;
  lo = steep ? ax : ay;
  lo = hi > 1e38f ? lo * 0.25f : lo;
  hi = (hi > 1e38f) & (hi != GK_INF) ? hi * 0.25f : hi;
  wide = lo > 0.41421356f * hi;
  num = wide ? lo - hi : lo;
  den = wide ? lo + hi : hi;
  off = wide ? 0.785398163f : 0.f;
  t = num / (den == 0.f ? 1.f : den);
  z = t * t;
  p = -0.06449835225f;
  p = p * z + 0.1074309967f;
  p = p * z - 0.1426389711f;
  p = p * z + 0.1999953879f;
  p = p * z - 0.3333333175f;
  p = off + (p * z * t + t);
  p = steep ? 1.57079637f - p : p;
  p = gk_bits(x) >> 31 ? 3.14159274f - p : p;
  return (x != x) | (y != y) ? x + y : gk_copysign(p, y);
}
GK_FN double gk_atan2d(double y, double x) {
  double ay = gk_absd(y), ax = gk_absd(x), hi, lo, num, den, t, z, p, off;
  int both = (ay == GK_INFD) & (ax == GK_INFD), steep, wide;
  ay = both ? 1. : ay;
  ax = both ? 1. : ax;
  steep = ay > ax;
  hi = steep ? ay : ax;
  lo = steep ? ax : ay;
  lo = hi > 1e307 ? lo * 0.25 : lo;
  hi = (hi > 1e307) & (hi != GK_INFD) ? hi * 0.25 : hi;
  wide = lo > 0.41421356237309503 * hi;
  num = wide ? lo - hi : lo;
  den = wide ? lo + hi : hi;
  off = wide ? 0.78539816339744828 : 0.;
  t = num / (den == 0. ? 1. : den);
  z = t * t;
  p = -0.0191620689159025739;
  p = p * z + 0.0392195525325512941;
  p = p * z - 0.0508503049281094054;
  p = p * z + 0.0585806875686151055;
  p = p * z - 0.066645022156714471;
  p = p * z + 0.076921825351166482;
  p = p * z - 0.0909090454988461095;
  p = p * z + 0.111111110145610136;
  p = p * z - 0.142857142846578936;
  p = p * z + 0.199999999999954792;
  p = p * z - 0.333333333333333301;
  p = off + (p * z * t + t);
  p = steep ? 1.57079632679489656 - (p - 6.1232339957367658861e-17) : p;
  p = gk_bitsd(x) >> 63 ? 3.14159265358979312 - (p - 1.2246467991473532e-16) : p;
  return (x != x) | (y != y) ? x + y : gk_copysignd(p, y);
}

/* x ^ c, c a constant: whole and half exponents up to 16 by multiplication and square root, the rest by exp(c log |x|) in double.
 * With half exponents -0 and -infinity count as their magnitudes, as in C. */
GK_FN double gk_pow_anyd(double x, double c) {
  double a = gk_absd(x), y = gk_expd(c * gk_logd(a)), half = 0.5 * c;
  int whole = floor(c) == c, even = floor(half) == half;
  y = (x < 0.) & (whole & !even) ? -y : y;
  y = (x < 0.) & !whole & (a != GK_INFD) ? GK_NAND : y;
  y = x == 1. ? 1. : y;
  return c == 0. ? 1. : y;
}
#define GK_POW_(T, NAME, SQRT, ABS, ANY)                                         \
  GK_FN T NAME(T x, double c) {                                                  \
    double m = c < 0. ? -c : c;                                                  \
    int twice = m <= 16. ? (int)(2. * m) : 99, n = twice >> 1;                   \
    if (m > 16. || (double)twice != 2. * m) return (T)ANY((double)x, c);         \
    x = (twice & 1) & ((x == (T)0) | (x == (T)-GK_INFD)) ? ABS(x) : x;           \
    T x2 = x * x, x4 = x2 * x2, x8 = x4 * x4, y = (T)1;                          \
    y = twice & 1 ? SQRT(x) : y;                                                 \
    y = n & 1 ? y * x : y;                                                       \
    y = n & 2 ? y * x2 : y;                                                      \
    y = n & 4 ? y * x4 : y;                                                      \
    y = n & 8 ? y * x8 : y;                                                      \
    y = n & 16 ? y * (x8 * x8) : y;                                              \
    return c < 0. ? (T)1 / y : y;                                                \
  }
GK_POW_(float, gk_pow, gk_sqrt, gk_abs, gk_pow_anyd)
GK_POW_(double, gk_powd, gk_sqrtd, gk_absd, gk_pow_anyd)
#undef GK_POW_
#endif
