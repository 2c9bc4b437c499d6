/* The peer's epilogue: c = gelu(c + bias), in C that the compiler turns into vectors. */
#ifndef KILN_BENCH_GELU_LOOP_H
#define KILN_BENCH_GELU_LOOP_H

#include <stddef.h>

/* Of `rows' rows of n. */
void gelu_loop_erf(float *c, const float *bias, size_t rows, size_t n);
void gelu_loop_tanh(float *c, const float *bias, size_t rows, size_t n);

#endif
