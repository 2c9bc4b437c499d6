/* Options and tensors that rows of several families have. */
#ifndef KILN_ROW_OPTIONS_H
#define KILN_ROW_OPTIONS_H

#define FLAG_OPTION(flag, text)                                                                    \
    {                                                                                              \
        .name = flag, .type = KILN_OPTION_INT, .fallback = "0", .high = 1, .about = text           \
    }
#define REAL_OPTION(option, default_, text)                                                        \
    {                                                                                              \
        .name = option, .type = KILN_OPTION_REAL, .fallback = default_, .about = text              \
    }
#define APPROX_OPTION                                                                              \
    {                                                                                              \
        .name = "approx", .type = KILN_OPTION_CHOICE, .choices = "none|tanh",                      \
        .about = "none: by erf; tanh: the approximation"                                           \
    }
#define OUT_DTYPE_OPTION(of)                                                                       \
    {                                                                                              \
        .name = "out_dtype", .type = KILN_OPTION_CHOICE, .fallback = "dtype",                      \
        .choices = "dtype|f32|f16|bf16", .about = "storage of " of                                 \
    }

/* The storage that out_dtype asks for. */
#define OUT_DTYPE "out_dtype == 'dtype' ? dtype : out_dtype"

#define TENSOR(name_, intent_, shape_)                                                             \
    {                                                                                              \
        name_, intent_, shape_, .dtype = "dtype"                                                   \
    }
#define TENSOR_F32(name_, intent_, shape_)                                                         \
    {                                                                                              \
        name_, intent_, shape_, .dtype = "'f32'"                                                   \
    }
#define TENSOR_I32(name_, intent_, shape_)                                                         \
    {                                                                                              \
        name_, intent_, shape_, .dtype = "'i32'"                                                   \
    }
/* A gradient of a weight: may be added to, in a storage of its own. */
#define TENSOR_GRAD(name_, shape_, when_)                                                          \
    {                                                                                              \
        name_, KILN_OUT, shape_, .dtype = OUT_DTYPE, .when = when_, .also_in = "accumulate"        \
    }
#define ACCUMULATE_OPTION(of) FLAG_OPTION("accumulate", "1: " of " is added to, not overwritten")

#endif
