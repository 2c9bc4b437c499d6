/* The oracle where PyTorch has nothing to compare with: the random numbers, what is masked,
 * ignored, empty or no number, and copies. Needs no device. */
#include "support.h"
#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- one call ------------------------------------------------------------------------------ */

enum { MOST = 32, TENSORS = 9 };

/* Room for a call's tensors, which are made one by one. */
typedef struct {
    reference_tensor tensors[TENSORS];
    double values[TENSORS][MOST], terms[TENSORS][MOST], allow[TENSORS][MOST];
    reference_match match[TENSORS][MOST];
    uint32_t bits[TENSORS][MOST];
    reference_call call;
} bench;

static bench *start(const char *spec, const char *args)
{
    static bench b;
    memset(&b, 0, sizeof b);
    b.call = (reference_call){spec, args, b.tensors, 0};
    return &b;
}

/* A tensor of these extents, 0 at the end; values may be NULL. */
static reference_tensor *tensor(bench *b, const char *name, const int *extents,
                                const double *values)
{
    size_t i = b->call.num_tensors++;
    reference_tensor *t = &b->tensors[i];
    *t = (reference_tensor){.name = name,
                            .dtype = KILN_F32,
                            .count = 1,
                            .values = b->values[i],
                            .terms = b->terms[i],
                            .allow = b->allow[i],
                            .match = b->match[i],
                            .bits = b->bits[i]};
    for (; *extents; extents++) {
        t->extents[t->rank++] = *extents;
        t->count *= (size_t)*extents;
    }
    ck_assert_uint_le(t->count, MOST);
    for (size_t e = 0; values && e < t->count; e++) {
        t->values[e] = values[e];
        t->bits[e] = reference_encode(t->dtype, values[e]);
    }
    return t;
}

#define EXTENTS(...) ((const int[]){__VA_ARGS__, 0})
#define VALUES(...)  ((const double[]){__VA_ARGS__})

static void run(bench *b)
{
    ck_assert_msg(reference_run(&b->call), "%s: there is no oracle", b->call.spec);
}

static void is(const reference_tensor *t, size_t i, double wanted)
{
    double got = t->values[i];
    ck_assert_msg(isnan(wanted) ? isnan(got)
                                : got == wanted || fabs(got - wanted) <= 1e-14 * fabs(wanted),
                  "%s[%zu] is %.17g, not %.17g", t->name, i, got, wanted);
}

/* ---- random numbers ------------------------------------------------------------------------ */

/* The known answers that the authors of Philox publish with it. */
START_TEST(test_philox)
{
    static const struct {
        uint32_t counter[4], key[2], random[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint32_t random[4];
        reference_philox(known[i].counter, known[i].key, random);
        ck_assert_mem_eq(random, known[i].random, sizeof random);
    }
}
END_TEST

START_TEST(test_integers)
{
    const char *words = "offset=18446744073709551615 seed=9007199254740993 n=?";
    ck_assert_uint_eq(reference_integer(words, "offset", 0), UINT64_MAX);
    ck_assert_uint_eq(reference_integer(words, "seed", 0), UINT64_C(9007199254740993));
    ck_assert_uint_eq(reference_integer(words, "n", 7), 7);
    ck_assert_uint_eq(reference_integer(NULL, "n", 8), 8);
}
END_TEST

/* With seed 0 the first words are those of the first known answer: 0.4, 0.88, 0.74, 0.61 of 2^32. A
 * threshold that is one of them keeps it. */
START_TEST(test_dropout)
{
    bench *b = start("dropout m=1 n=4", "p=0.7 seed=0 offset=0");
    tensor(b, "x", EXTENTS(1, 4), VALUES(1, 2, NAN, NAN));
    reference_tensor *y = tensor(b, "y", EXTENTS(1, 4), NULL);
    run(b);
    double scale = 1 / (1 - (double)0.7f);
    is(y, 0, 0);
    is(y, 1, 2 * scale);
    is(y, 2, NAN);
    is(y, 3, 0);
    ck_assert_int_eq(y->match[3], REFERENCE_EQUAL);
    /* The counter wraps: behind 2^64 - 1 comes 0. */
    b = start("dropout m=1 n=2", "p=0.4 seed=0 offset=18446744073709551615");
    tensor(b, "x", EXTENTS(1, 2), VALUES(1, 1));
    y = tensor(b, "y", EXTENTS(1, 2), NULL);
    run(b);
    is(y, 1, 0x6627e8d5 >= ldexp((double)0.4f, 32) ? 1 / (1 - (double)0.4f) : 0);
    b = start("dropout m=1 n=3", "p=0 seed=5 offset=3");
    tensor(b, "x", EXTENTS(1, 3), VALUES(1, -2, INFINITY));
    y = tensor(b, "y", EXTENTS(1, 3), NULL);
    run(b);
    is(y, 1, -2);
    is(y, 2, INFINITY);
}
END_TEST

/* ---- what is masked or no number ----------------------------------------------------------- */

START_TEST(test_softmax)
{
    const double x[] = {1, 1, 5, -INFINITY, -INFINITY, -INFINITY, NAN, 1, 2};
    bench *b = start("softmax batch=1 m=3 n=3", "");
    tensor(b, "x", EXTENTS(1, 3, 3), x);
    reference_tensor *y = tensor(b, "y", EXTENTS(1, 3, 3), NULL);
    run(b);
    is(y, 2, 1 / (1 + 2 * exp(-4)));
    for (size_t i = 3; i < 9; i++)
        is(y, i, i < 6 ? 0 : NAN);
    /* Four rows over two columns: the first two see nothing, the third one column. */
    b = start("softmax batch=1 m=4 n=2 causal=1 scale=2", "");
    tensor(b, "x", EXTENTS(1, 4, 2), VALUES(NAN, 1, 1, 1, 3, NAN, 0, 1));
    y = tensor(b, "y", EXTENTS(1, 4, 2), NULL);
    run(b);
    for (size_t i = 0; i < 6; i++)
        is(y, i, i == 4);
    ck_assert_int_eq(y->match[5], REFERENCE_EQUAL);
    is(y, 6, 1 / (1 + exp(2)));
}
END_TEST

START_TEST(test_cross_entropy)
{
    bench *b =
        start("cross_entropy tokens=5 vocab=2 dlogits=1 bad=1 ignore_index=1", "grad_scale=0.5");
    tensor(b, "logits", EXTENTS(5, 2), VALUES(0, 0, 0, 0, 0, 0, 0, -INFINITY, -INFINITY, 1));
    tensor(b, "targets", EXTENTS(5), VALUES(0, 1, 2, 0, -100));
    reference_tensor *loss = tensor(b, "loss", EXTENTS(5), NULL);
    reference_tensor *lse = tensor(b, "lse", EXTENTS(5), NULL);
    reference_tensor *dlogits = tensor(b, "dlogits", EXTENTS(5, 2), NULL);
    reference_tensor *bad = tensor(b, "bad", EXTENTS(1), NULL);
    run(b);
    is(bad, 0, 2);
    is(loss, 0, log(2));
    is(dlogits, 0, -0.25);
    is(dlogits, 1, 0.25);
    is(lse, 1, log(2));
    for (size_t i = 1; i < 5; i++)
        is(loss, i, 0);
    for (size_t i = 2; i < 10; i++)
        is(dlogits, i, 0);
    ck_assert_int_eq(dlogits->match[2], REFERENCE_EQUAL);
    ck_assert_int_eq(dlogits->match[6], REFERENCE_NEAR);
    is(lse, 4, 1);
}
END_TEST

/* Two queries over one key, causal: the first row is empty and adds nothing to a gradient. */
START_TEST(test_attention)
{
    const char *words = "flash_attention batch=1 seq_q=2 seq_k=1 heads=1 kv_heads=1 head_dim=2 "
                        "causal=1";
    bench *b = start(words, "");
    tensor(b, "q", EXTENTS(1, 2, 1, 2), VALUES(NAN, 1, 3, 1));
    tensor(b, "k", EXTENTS(1, 1, 1, 2), VALUES(1, 2));
    tensor(b, "v", EXTENTS(1, 1, 1, 2), VALUES(7, 8));
    reference_tensor *o = tensor(b, "o", EXTENTS(1, 2, 1, 2), NULL);
    reference_tensor *lse = tensor(b, "lse", EXTENTS(1, 1, 2), NULL);
    run(b);
    is(o, 0, 0);
    ck_assert_int_eq(o->match[1], REFERENCE_EQUAL);
    is(o, 3, 8);
    is(lse, 0, -INFINITY);
    is(lse, 1, 5 / sqrt(2));
}
END_TEST

/* o and lse are taken as given: here p = exp(s - lse) = 1/2 and delta = 1. */
START_TEST(test_attention_backward)
{
    bench *b = start("flash_attention_backward batch=1 seq_q=2 seq_k=1 heads=1 kv_heads=1 "
                     "head_dim=2 scale=2",
                     "");
    tensor(b, "dout", EXTENTS(1, 2, 1, 2), VALUES(NAN, 1, 1, 0));
    tensor(b, "o", EXTENTS(1, 2, 1, 2), VALUES(5, 5, 1, 9));
    tensor(b, "q", EXTENTS(1, 2, 1, 2), VALUES(NAN, 1, 1, 0));
    tensor(b, "k", EXTENTS(1, 1, 1, 2), VALUES(3, 4));
    tensor(b, "v", EXTENTS(1, 1, 1, 2), VALUES(5, 6));
    reference_tensor *dq = tensor(b, "dq", EXTENTS(1, 2, 1, 2), NULL);
    tensor(b, "lse", EXTENTS(1, 1, 2), VALUES(-INFINITY, 6 + log(2)));
    reference_tensor *dv = tensor(b, "dv", EXTENTS(1, 1, 1, 2), NULL);
    reference_tensor *dk = tensor(b, "dk", EXTENTS(1, 1, 1, 2), NULL);
    run(b);
    /* ds = scale p (dout v - delta) = 2 * 0.5 * (5 - 1) */
    is(dq, 0, 0);
    is(dq, 2, 12);
    is(dq, 3, 16);
    is(dk, 0, 4);
    is(dv, 0, 0.5);
}
END_TEST

/* ---- copies and counts --------------------------------------------------------------------- */

START_TEST(test_copies)
{
    bench *b = start("transpose batch=1 m=2 n=3", "");
    reference_tensor *x = tensor(b, "x", EXTENTS(1, 2, 3), VALUES(0, 1, 2, 3, NAN, -0.0));
    x->bits[4] = 0x7fa12345;
    reference_tensor *y = tensor(b, "y", EXTENTS(1, 3, 2), NULL);
    run(b);
    is(y, 1, 3);
    is(y, 2, 1);
    ck_assert_int_eq(y->match[3], REFERENCE_SAME_BITS);
    ck_assert_uint_eq(y->bits[3], 0x7fa12345);
    ck_assert_uint_eq(y->bits[5], 0x80000000);
}
END_TEST

START_TEST(test_embedding)
{
    bench *b = start("embedding tokens=4 vocab=2 n=1 bad=1", "");
    tensor(b, "ids", EXTENTS(4), VALUES(1, 2, -1, 0));
    reference_tensor *table = tensor(b, "table", EXTENTS(2, 1), VALUES(NAN, 6));
    table->bits[0] = 0xffc00001;
    reference_tensor *y = tensor(b, "y", EXTENTS(4, 1), NULL);
    reference_tensor *bad = tensor(b, "bad", EXTENTS(1), VALUES(99));
    run(b);
    is(y, 0, 6);
    is(y, 1, 0);
    is(y, 2, 0);
    ck_assert_uint_eq(y->bits[3], 0xffc00001);
    is(bad, 0, 2);
    b = start("embedding_backward tokens=4 vocab=2 n=1", "");
    tensor(b, "ids", EXTENTS(4), VALUES(1, 2, -1, 1));
    tensor(b, "dy", EXTENTS(4, 1), VALUES(1, NAN, NAN, 2));
    reference_tensor *dtable = tensor(b, "dtable", EXTENTS(2, 1), VALUES(4, 5));
    run(b);
    is(dtable, 1, 8);
    ck_assert_int_eq(dtable->match[0], REFERENCE_SAME_BITS);
    ck_assert_int_eq(dtable->match[1], REFERENCE_NEAR);
}
END_TEST

/* A gradient with inf or NaN: clip 0, and the step changes nothing. */
START_TEST(test_bad_gradients)
{
    static const double special[] = {NAN, INFINITY, 0x1p64};
    for (size_t i = 0; i < COUNT(special); i++) {
        bench *b = start("grad_norm n=2 accumulate=1", "max_norm=1");
        tensor(b, "g", EXTENTS(2), VALUES(1, special[i]));
        reference_tensor *sumsq = tensor(b, "sumsq", EXTENTS(1), VALUES(2));
        reference_tensor *clip = tensor(b, "clip", EXTENTS(1), NULL);
        run(b);
        is(sumsq, 0, special[i] * special[i]);
        is(clip, 0, 0);
    }
    bench *b = start("adamw n=1 param_out=1 clip=1",
                     "lr=1 beta1=0.5 beta2=0.5 eps=1 weight_decay=1 step=1");
    tensor(b, "g", EXTENTS(1), VALUES(NAN));
    reference_tensor *param = tensor(b, "param", EXTENTS(1), VALUES(3));
    reference_tensor *m = tensor(b, "m", EXTENTS(1), VALUES(4));
    reference_tensor *v = tensor(b, "v", EXTENTS(1), VALUES(5));
    reference_tensor *out = tensor(b, "param_out", EXTENTS(1), NULL);
    tensor(b, "clip", EXTENTS(1), VALUES(0));
    run(b);
    is(param, 0, 3);
    is(m, 0, 4);
    is(v, 0, 5);
    is(out, 0, 3);
    ck_assert_int_eq(v->match[0], REFERENCE_SAME_BITS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reference");
    TCase *tests = tcase_create("reference");
    tcase_add_test(tests, test_philox);
    tcase_add_test(tests, test_integers);
    tcase_add_test(tests, test_dropout);
    tcase_add_test(tests, test_softmax);
    tcase_add_test(tests, test_cross_entropy);
    tcase_add_test(tests, test_attention);
    tcase_add_test(tests, test_attention_backward);
    tcase_add_test(tests, test_copies);
    tcase_add_test(tests, test_embedding);
    tcase_add_test(tests, test_bad_gradients);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
