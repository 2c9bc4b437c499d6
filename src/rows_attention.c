/* Attention and its backward pass. Dao, "FlashAttention-2", arXiv:2307.08691. */
#include "registry.h"
#include "row_options.h"

#define ATTENTION_OPTIONS                                                                          \
    FLAG_OPTION("causal", "1: row i sees the keys j <= i+seq_k-seq_q"),                            \
        REAL_OPTION("scale", "0", "what the products are multiplied by; 0: head_dim^-0.5"),        \
        {.name = "window",                                                                         \
         .type = KILN_OPTION_INT,                                                                  \
         .fallback = "0",                                                                          \
         .high = INT32_MAX,                                                                        \
         .about = "w: keys nearer than w are seen; 0: all"},                                       \
        REAL_OPTION("softcap", "0", "c: scores become c tanh(score/c); 0: they stay"),             \
        FLAG_OPTION("alibi", "1: less slope |i-j|, the head's slope of the ALiBi paper")

/* Pairs of a query and a key that it sees; a window is not counted. */
#define PAIRS                                                                                      \
    "(causal ? min(seq_q,seq_k)*(seq_k-min(seq_q,seq_k))"                                          \
    "+min(seq_q,seq_k)*(min(seq_q,seq_k)+1)/2"                                                     \
    " : seq_q*seq_k)"

#define ATTENTION                                                                                  \
    .family = "attention",                                                                         \
    .dims = {"batch", "seq_q", "seq_k", "heads", "kv_heads", "head_dim"},                          \
    .literal = "heads kv_heads head_dim", .options = {ATTENTION_OPTIONS},                          \
    .lets = {{"scale", "scale ? scale : pow(head_dim,-0.5)"}, {"group", "heads/kv_heads"}},        \
    .rules = {                                                                                     \
        {"heads % kv_heads == 0",                                                                  \
         "heads=${heads}: must be a multiple of kv_heads, ${kv_heads}"},                           \
        {"head_dim % 8 == 0 && head_dim <= 512",                                                   \
         "head_dim=${head_dim}: must be a multiple of 8 from 8 to 512"},                           \
        {"softcap >= 0", "softcap=${softcap}: must be 0 or more"}}

#define QUERIES "batch, seq_q, heads, head_dim"
#define KEYS    "batch, seq_k, kv_heads, head_dim"

const kiln_row kiln_attention_rows[] = {
    {.name = "flash_attention",
     .summary = "o = softmax(scale q k^T) v for each head; lse",
     ATTENTION,
     .tensors = {TENSOR("q", KILN_IN, QUERIES), TENSOR("k", KILN_IN, KEYS),
                 TENSOR("v", KILN_IN, KEYS), TENSOR("o", KILN_OUT, QUERIES),
                 TENSOR_F32("lse", KILN_OUT, "batch, heads, seq_q")},
     .flops = "4*batch*heads*head_dim*" PAIRS},
    {.name = "flash_attention_backward",
     .summary = "dq, dk, dv of flash_attention from dout, its o and its lse",
     ATTENTION,
     .tensors = {TENSOR("dout", KILN_IN, QUERIES), TENSOR("o", KILN_IN, QUERIES),
                 TENSOR("q", KILN_IN, QUERIES), TENSOR("k", KILN_IN, KEYS),
                 TENSOR("v", KILN_IN, KEYS), TENSOR_F32("lse", KILN_IN, "batch, heads, seq_q"),
                 TENSOR("dq", KILN_OUT, QUERIES), TENSOR("dk", KILN_OUT, KEYS),
                 TENSOR("dv", KILN_OUT, KEYS)},
     .flops = "10*batch*heads*head_dim*" PAIRS},
};
const size_t kiln_num_attention_rows = sizeof kiln_attention_rows / sizeof *kiln_attention_rows;
