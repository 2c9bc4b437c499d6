/* The oracles of all kernels, for the table in reference.c, and what they share. */
#ifndef KILN_REFERENCE_KERNELS_H
#define KILN_REFERENCE_KERNELS_H

#include "reference.h"

/* reference_matmul.c */
void reference_matmul(const reference_call *call);
void reference_matmul_nt(const reference_call *call);
void reference_matmul_tn(const reference_call *call);
void reference_batched_matmul(const reference_call *call);
void reference_pack(const reference_call *call);
/* For the caller to free. */
double *reference_unpacked(const reference_tensor *b, int64_t n, int64_t k);

/* reference_fused.c */
void reference_matmul_bias_gelu(const reference_call *call);
void reference_matmul_bias_residual(const reference_call *call);
void reference_gelu_matmul(const reference_call *call);
void reference_layernorm_matmul(const reference_call *call);
void reference_rmsnorm_matmul(const reference_call *call);
void reference_matmul_swiglu(const reference_call *call);
void reference_matmul_gelu_backward(const reference_call *call);
void reference_residual_layernorm(const reference_call *call);
void reference_residual_rmsnorm(const reference_call *call);
void reference_qkv_projection(const reference_call *call);

/* reference_elementwise.c */
void reference_transpose(const reference_call *call);
void reference_bias_add(const reference_call *call);
void reference_bias_backward(const reference_call *call);
void reference_residual_add(const reference_call *call);
void reference_gelu(const reference_call *call);
void reference_gelu_backward(const reference_call *call);
void reference_swiglu(const reference_call *call);
void reference_swiglu_backward(const reference_call *call);
void reference_dropout(const reference_call *call);
void reference_rope(const reference_call *call);

/* reference_rows.c */
void reference_softmax(const reference_call *call);
void reference_softmax_backward(const reference_call *call);
void reference_layernorm(const reference_call *call);
void reference_layernorm_backward(const reference_call *call);
void reference_rmsnorm(const reference_call *call);
void reference_rmsnorm_backward(const reference_call *call);
void reference_cross_entropy(const reference_call *call);
void reference_embedding(const reference_call *call);
void reference_embedding_backward(const reference_call *call);

/* reference_attention.c */
void reference_flash_attention(const reference_call *call);
void reference_flash_attention_backward(const reference_call *call);

/* reference_optimiser.c */
void reference_grad_norm(const reference_call *call);
void reference_adamw(const reference_call *call);

/* c[i,j] += sum over l of a[i,l] b[l,j], and terms the squares of rough[i,l] b[l,j]; nt: b[j,l]. */
void reference_multiply(const double *a, const double *rough, const double *b, double *c,
                        double *terms, int64_t m, int64_t n, int64_t k);
void reference_multiply_nt(const double *a, const double *rough, const double *b, double *c,
                           double *terms, int64_t m, int64_t n, int64_t k);

/* gelu(x) by the call's approx. */
double reference_gelu_of(const reference_call *call, double x);

/* Its derivative's two summands, of opposite signs where x is negative. */
void reference_gelu_slope(const reference_call *call, double x, double *level, double *change);

/* calloc that does not fail. */
void *reference_allocate(size_t count, size_t size);
double *reference_zeros(size_t count);

/* Writes an element of an output: its value and the root of the sum of squares of its terms. */
void reference_put(reference_tensor *out, size_t index, double value, double terms);

/* Writes an element that has to be this number exactly, such as the 0 of a masked one. */
void reference_put_equal(reference_tensor *out, size_t index, double value);

/* Copies an element of from, bit for bit; both have one dtype. */
void reference_move(reference_tensor *out, size_t index, const reference_tensor *from,
                    size_t from_index);

/* The number of an option or scalar: in the spec's words, else in the arguments', else fallback. */
double reference_option(const reference_call *call, const char *name, double fallback);

/* The same where 0 stands for the default. */
double reference_option_or(const reference_call *call, const char *name, double fallback);

#endif
