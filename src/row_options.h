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

/* What a variant for GPUs stands under; W: elements of its accesses, 16 bytes. */
#define ON_GPU                                                                                     \
    {                                                                                              \
        "!CPU", "the device is a CPU"                                                              \
    }
/* What a variant with wgmma stands under. */
#define ON_SM90A                                                                                   \
    {                                                                                              \
        "SM_A && SM >= 90 && SM < 100", "the device has no wgmma (sm_90a)"                         \
    }
#define ACCESS_LET                                                                                 \
    {                                                                                              \
        "W", "dtype == 'f32' ? 4 : 8"                                                              \
    }

/* Of matrices: how they are stored, their row lengths. */
#define LAYOUT_OPTION                                                                              \
    {                                                                                              \
        .name = "layout", .type = KILN_OPTION_CHOICE, .fallback = "nn", .choices = "nn|nt",        \
        .about = "nn: b[k,n]; nt: b[n,k]"                                                          \
    }
#define LD_OPTION(ld, of)                                                                          \
    {                                                                                              \
        .name = ld, .type = KILN_OPTION_INT, .fallback = "0", .high = INT32_MAX,                   \
        .about = "row length of " of " in elements; 0: no padding"                                 \
    }
#define LD_RULE(ld, width, of)                                                                     \
    {                                                                                              \
        ld " >= " width, ld "=${" ld "}: must be at least the row length of " of ", ${" width "}"  \
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

/* ---- norms: their own rows, and those that a norm is fused into ---------------------------- */

#define EPS_OPTION REAL_OPTION("eps", "1e-05", "added to the variance, or the mean square")
#define EPS_RULE                                                                                   \
    {                                                                                              \
        "eps > 0", "eps=${eps}: must be positive"                                                  \
    }
#define BETA_OPTION                                                                                \
    {                                                                                              \
        .name = "beta", .type = KILN_OPTION_INT, .fallback = "1", .high = 1,                       \
        .about = "0: without beta"                                                                 \
    }
#define UNIT_OFFSET_OPTION FLAG_OPTION("unit_offset", "1: gamma + 1 in place of gamma")
/* What the norms' templates tell layernorm from rmsnorm by. */
#define CENTRED                                                                                    \
    {"centred", "1"},                                                                              \
    {                                                                                              \
        "unit_offset", "0"                                                                         \
    }
#define NOT_CENTRED                                                                                \
    {"centred", "0"},                                                                              \
    {                                                                                              \
        "beta", "0"                                                                                \
    }
/* Which rows the norms' templates read: tensor, row length, elements from row to row. STATS: what
 * they leave of a row in the scratch of that name, for the stages behind: in front of the scale of
 * layernorm's rows the mean, in two floats. */
#define NORM_LETS(tensor, width, stride, stats)                                                    \
    {"X", "'" tensor "'"}, {"WIDTH", width}, {"STRIDE", stride},                                   \
    {                                                                                              \
        "STATS", stats                                                                             \
    }

/* SHARE: rows of a work-item that takes ELEMENTS of them. */
#define ROWS_LETS(rows, width)                                                                     \
    {"SHARE", "max(1,min(ELEMENTS/(" width "),ceildiv(" rows ",4*COMPUTE_UNITS)))"},               \
    {                                                                                              \
        "GROUPS", "ceildiv(" rows ",SHARE)"                                                        \
    }

/* A work-item keeps its elements of a row, 16 at most, in registers where the length is known. */
#define KEPT_LETS(width)                                                                           \
    {"PER_ITEM", "known(" width ") && WG > 0 ? ceildiv(" width ",WG) : 0"},                        \
    {                                                                                              \
        "KEPT", "PER_ITEM > 0 && PER_ITEM <= 16"                                                   \
    }

/* ---- sums over rows ------------------------------------------------------------------------ */

/* The gradients that sums over rows make: the first one's name, their storage and number. */
#define GRADS(first, count)                                                                        \
    {"grad", "'" first "'"}, {"grad_dtype", OUT_DTYPE},                                            \
    {                                                                                              \
        "outs", count                                                                              \
    }

/* PARTS groups sum SHARE rows of a column each: parts[which][part][column]. SHARE has a limit of
 * its own, since errors grow with the length of a sum. */
#define PARTS_LETS                                                                                 \
    {"PARTS", "ceildiv(m,SHARE)"},                                                                 \
    {                                                                                              \
        "PADDED", "roundup(n,16)"                                                                  \
    }
#define PARTS                                                                                      \
    {                                                                                              \
        .name = "parts", .count = "outs*PARTS*PADDED", .when = "outs"                              \
    }
#define PARTS_SCRATCH .scratch = {PARTS}

#define FINISH_VECTOR                                                                              \
    {                                                                                              \
        .name = "finish", .file = "column_finish_vector.cl", .groups = "ceildiv(n,COLUMNS)",       \
        .workgroup = "1", .when = "outs"                                                           \
    }

/* TILE: columns of a group that sums columns; SLICES: work-items of each. */
#define TILE_LETS                                                                                  \
    {"TILE", "32"},                                                                                \
    {                                                                                              \
        "SLICES", "WG/TILE"                                                                        \
    }
#define FINISH_SIMT                                                                                \
    {                                                                                              \
        .name = "finish", .file = "column_finish_simt.cl", .groups = "ceildiv(n,TILE)",            \
        .workgroup = "WG", .when = "outs"                                                          \
    }

#endif
