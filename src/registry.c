#include "registry.h"
#include <string.h>

static const kiln_option common_options[] = {
    {.name = "dtype",
     .type = KILN_OPTION_CHOICE,
     .fallback = "f32",
     .choices = "f32|f16|bf16",
     .about = "storage; arithmetic is in f32"},
    {.name = "workgroup_size",
     .type = KILN_OPTION_INT,
     .fallback = "0",
     .high = 1024,
     .about = "work-items in a group: 0 (chosen) or a multiple of 64 from 64 to 1024"},
    {.name = "variant",
     .type = KILN_OPTION_CHOICE,
     .fallback = "any",
     .choices = "any|skinny|vector|decode|wgmma|mma|wide|simt",
     .about = "insist on one way to do the kernel"},
};

const kiln_option *kiln_common_option(size_t index)
{
    return index < sizeof common_options / sizeof *common_options ? &common_options[index] : NULL;
}

static const struct {
    const kiln_row *rows;
    const size_t *count;
} tables[] = {
    {kiln_matmul_rows, &kiln_num_matmul_rows},
    {kiln_pack_rows, &kiln_num_pack_rows},
    {kiln_elementwise_rows, &kiln_num_elementwise_rows},
    {kiln_move_rows, &kiln_num_move_rows},
    {kiln_norm_rows, &kiln_num_norm_rows},
    {kiln_attention_rows, &kiln_num_attention_rows},
    {kiln_optimiser_rows, &kiln_num_optimiser_rows},
};

#define NUM_TABLES (sizeof tables / sizeof *tables)

size_t kiln_num_rows(void)
{
    size_t count = 0;
    for (size_t i = 0; i < NUM_TABLES; i++)
        count += *tables[i].count;
    return count;
}

const kiln_row *kiln_row_at(size_t index)
{
    for (size_t i = 0; i < NUM_TABLES; i++) {
        if (index < *tables[i].count)
            return &tables[i].rows[index];
        index -= *tables[i].count;
    }
    return NULL;
}

const kiln_row *kiln_row_find(const char *name)
{
    for (size_t i = 0; i < kiln_num_rows(); i++)
        if (strcmp(kiln_row_at(i)->name, name) == 0)
            return kiln_row_at(i);
    return NULL;
}

size_t kiln_num_kernels(void)
{
    return kiln_num_rows();
}

const char *kiln_kernel_name(size_t index)
{
    const kiln_row *row = kiln_row_at(index);
    return row ? row->name : NULL;
}

const kiln_op *kiln_op_at(size_t index)
{
    return index < kiln_num_ops ? &kiln_ops[index] : NULL;
}

const kiln_op *kiln_op_find(const char *name)
{
    for (size_t i = 0; i < kiln_num_ops; i++)
        if (strcmp(kiln_ops[i].name, name) == 0)
            return &kiln_ops[i];
    return NULL;
}
