/* What the tests that need a device share: the device, data, guarded buffers, and one call that
 * runs a spec and compares it with the oracle. */
#ifndef KILN_SUPPORT_H
#define KILN_SUPPORT_H

#include "reference.h"
#include <check.h>
#include <pthread.h>

/* Set by test_open. In-order queues profile; queue_out_of_order does not keep order. */
extern kiln_context *test_context;
extern cl_command_queue test_queue, test_queue_out_of_order;

/* Opens the device named by $KILN_TEST_DEVICE (default "cpu") without the disk cache; exits 77 with
 * a word if there is none. */
void test_open(void);
void test_close(void);

/* The device's name as a context takes it. */
const char *test_device(void);

/* $KILN_TEST_QUICK: a tenth of the sweeps. */
bool test_quick(void);

/* Runs the suite in this process: a driver's threads do not survive a fork. The exit status. */
int test_main(Suite *suite);

/* ---- data -------------------------------------------------------------------------------- */

typedef struct test_random {
    uint64_t state;
} test_random;

uint64_t test_next(test_random *random);
double test_normal(test_random *random);
int64_t test_pick(test_random *random, int64_t count); /* 0 .. count-1 */

/* N(0,1), of the seed and the tensor's name: what inputs hold by default. */
void test_fill_normal(uint64_t seed, const reference_tensor *tensor, double *values);

/* ---- a launch ---------------------------------------------------------------------------- */

#define TEST_MAX_TENSORS 16

/* One buffer. The image is the buffer's bytes from its start: guard words, the tensor, guard
 * words; guards, padding and outputs hold a NaN of a payload of their own. */
typedef struct test_tensor {
    kiln_arg_info info;
    cl_mem buffer;
    size_t offset, size; /* where the tensor starts, and the buffer's bytes */
    unsigned char *before, *after;
    int in_place_of; /* another tensor whose buffer it shares, or -1 */
    reference_tensor dense;
} test_tensor;

struct test_case;
typedef void (*test_fill)(void *user, const reference_tensor *tensor, double *values);
typedef void (*test_fill_bits)(void *user, const reference_tensor *tensor, uint32_t *bits);

typedef struct test_case {
    const char *spec;
    const char *args;     /* launch-time dimensions and scalars: "m=3 n=5 lr=0.1" */
    const char *in_place; /* "y=x": the output stands in the place of the input */
    uint64_t seed;        /* of data and offsets */
    int64_t misalign;     /* elements past an aligned address at which the first tensor starts, the
                             others two more each; -1: by the seed */
    bool exact;           /* outputs are the reference rounded to f32, then to storage */
    bool large_scores;    /* scores of 1e4: wider tolerance of what their exponentials weigh */
    bool bare;            /* no guards in front: offset 0 */
    bool out_of_order;    /* the other queue, ordered by events alone */
    bool once;            /* not again to see the same bits */
    test_fill fill;       /* NULL: N(0,1) for every input, none of which may be i32 then; values has
                             tensor->count */
    test_fill_bits fill_bits; /* NULL, or to change the stored bits thereafter */
    void *user;
} test_case;

typedef struct test_launch {
    const test_case *of;
    kiln_kernel *kernel;
    test_tensor tensors[TEST_MAX_TENSORS];
    size_t num_tensors;
    kiln_arg args[2 * TEST_MAX_TENSORS];
    size_t num_args;
} test_launch;

/* The parts of test_run, for tests that look closer. They fail the test on any trouble. */
void test_prepare(const test_case *c, kiln_kernel *kernel, test_launch *launch);
void test_upload(test_launch *launch);
void test_execute(test_launch *launch);
void test_download(test_launch *launch);
void test_check_untouched(const test_launch *launch, bool outputs_too);
void test_reference(test_launch *launch); /* the oracle's outputs, in the dense tensors */
void test_check_outputs(const test_launch *launch);
void test_check_values(test_launch *launch); /* both */
void test_discard(test_launch *launch);

/* Element `index` (of the dense tensor) of an image: its byte offset, bits, value. */
size_t test_place(const test_tensor *tensor, size_t index);
uint32_t test_bits(const test_tensor *tensor, const unsigned char *image, size_t index);
void test_put_bits(const test_tensor *tensor, unsigned char *image, size_t index, uint32_t bits);
double test_element(const test_tensor *tensor, const unsigned char *image, size_t index);
test_tensor *test_find(test_launch *launch, const char *name);

/* Creates the kernel, launches it, checks guards, padding, inputs, values against the oracle and
 * the same bits of a second launch. False, with a word, if the device refuses the spec. On a GPU
 * a spec in a variant of CPUs is run in each of the GPU's own, on a CPU one of two in `wide' too
 * (support_variants.c). */
bool test_run(const test_case *c);
bool test_run_alone(const test_case *c); /* the spec as it stands */
/* The same, and for its time the device counts as a GPU. */
bool test_run_as_on_gpu(const test_case *c);

/* The variants for GPUs of spec's row but for simt, one after the other; NULL past the end. */
const char *test_gpu_variant(const char *spec, size_t index);

/* Sets the seed to the data of a run: a number made from a text. */
uint64_t test_seed(const char *text);

/* printf into one of a few static buffers. */
const char *test_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fails unless call gives status and its sentence has every part of parts, separated by '|'. */
void test_refused_at(const char *file, int line, kiln_status got, kiln_status wanted,
                     const char *parts);
#define test_refused(call, wanted, parts) test_refused_at(__FILE__, __LINE__, (call), wanted, parts)
#define test_ok(call)                                                                              \
    do {                                                                                           \
        kiln_status test_status_ = (call);                                                         \
        ck_assert_msg(test_status_ == KILN_OK, "%s: %s: %s", #call,                                \
                      kiln_status_name(test_status_), kiln_last_error());                          \
    } while (0)

/* ---- contexts of a test's own -------------------------------------------------------------- */

/* A log callback's user: what was said, each line led by its level's digit. */
typedef struct test_log {
    pthread_mutex_t lock;
    char text[1 << 16];
    int warnings;
} test_log;

void test_log_line(void *user, kiln_log_level level, const char *message);

/* How often part stands in the log. */
int test_log_count(test_log *log, const char *part);

/* Launches kernel, a "bias_add m=? n=N" of context, on a queue of its own: the largest difference
 * from x + bias. Any thread may call it; it aborts if a call fails. */
double test_bias_add(kiln_context *context, kiln_kernel *kernel, int n);

/* Runs this program once more with one argument under settings ("NAME=value", NULL at the end) and
 * returns its exit status, 255 if it was killed. */
int test_spawn(const char *const *settings, const char *argument);

/* A directory of its own beneath the temporary one, and its removal with all that it holds. */
char *test_make_dir(void);
void test_remove_dir(char *dir);

#endif
