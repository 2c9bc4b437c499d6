/* Options, tensors and parts of variants that rows of several families have. */
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

/* What a variant for CPUs stands under. */
#define ON_CPU                                                                                     \
    {                                                                                              \
        "CPU", "the device is no CPU"                                                              \
    }

/* Groups of any size, as large as the device takes. */
#define GROUP_SIZES                                                                                \
    {                                                                                              \
        "WG",                                                                                      \
        {                                                                                          \
            256, 64, 128, 192, 320, 384, 448, 512                                                  \
        }                                                                                          \
    }
#define GROUP_PRESET "WG=workgroup_size?workgroup_size:min(256,MAX_WORKGROUP)"
#define GROUP_RULES                                                                                \
    {"workgroup_size == 0 || WG == workgroup_size",                                                \
     "workgroup_size=${workgroup_size}: this variant has no such group"},                          \
    {                                                                                              \
        "WG <= MAX_WORKGROUP", "a group of ${WG} work-items is over the device's ${MAX_WORKGROUP}" \
    }

/* Counts the entries outside the vocabulary, a group of COUNTERS work-items. */
#define BAD_STAGE                                                                                  \
    {                                                                                              \
        .name = "bad", .file = "count_outside.cl", .groups = "1", .workgroup = "COUNTERS",         \
        .when = "bad"                                                                              \
    }
#define BAD_OPTION FLAG_OPTION("bad", "1: bad[0] counts the entries outside the vocabulary")
#define BAD_TENSOR                                                                                 \
    {                                                                                              \
        "bad", KILN_OUT, "1", .dtype = "'i32'", .when = "bad"                                      \
    }

#endif
