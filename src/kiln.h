/* kiln: OpenCL C templates specialised at run time, built, cached and launched.
 *
 * A kernel is asked for by a spec, one line of text (the grammar is at kiln_create_kernel):
 *
 *     matmul_bias_gelu m=? n=28672 k=8192 dtype=bf16 approx=tanh tile_size=64
 *
 * or by a typed creator with a params struct. It is generated from a template, built once per
 * device, kept in a disk cache, and launched on the caller's own queue with named arguments.
 *
 * Matrices are row-major. Storage is f32, f16 or bf16; arithmetic and sums are in f32; stores
 * round to nearest even. The same inputs on the same device give the same bits.
 *
 * Errors: a function that can fail returns a kiln_status; kiln_last_error() then holds one
 * sentence with the rule that was broken and its numbers. After a failure nothing was enqueued,
 * nothing was leaked, and the outputs given by pointer are NULL or unchanged. kiln never exits,
 * prints or asserts on its input.
 *
 * Threads: every function may be called by any number of threads at once, on the same context
 * and on the same kernel; a kernel is built once, and other threads that ask for it wait.
 * Releasing an object that another thread is still using is the caller's error.
 */
#ifndef KILN_H
#define KILN_H

#include <stddef.h>
#include <stdint.h>

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef KILN_API
#if defined(__GNUC__)
#define KILN_API __attribute__((visibility("default")))
#else
#define KILN_API
#endif
#endif

/* ---- status ------------------------------------------------------------------------------ */

typedef enum kiln_status {
    KILN_OK = 0,
    KILN_INVALID_ARGUMENT = -1, /* a null pointer, or a value no call accepts */
    KILN_INVALID_SPEC = -2,     /* unknown kernel or parameter, value out of range, missing one */
    KILN_UNSUPPORTED = -3,      /* the spec is right, but no variant of it fits this device */
    KILN_INVALID_LAUNCH = -4,   /* launch arguments: unknown, missing, doubled, too small, ... */
    KILN_NO_DEVICE = -5,        /* no OpenCL platform, or no device of that name */
    KILN_BUILD_FAILED = -6,     /* the driver's compiler refused; the message holds its log */
    KILN_TEMPLATE_ERROR = -7,   /* a template is wrong (a bug in kiln or in KILN_TEMPLATE_DIR) */
    KILN_CACHE_MISS = -8,       /* KILN_CACHE=require and the binary is not in the cache */
    KILN_OPENCL_ERROR = -9,     /* another OpenCL call failed; the message names it and its code */
    KILN_OUT_OF_MEMORY = -10    /* host memory */
} kiln_status;

/* "KILN_OK", ...; "unknown status" for anything else. Static storage. */
KILN_API const char *kiln_status_name(kiln_status status);

/* The sentence of the calling thread's last failed call, "" if none failed yet. It belongs to
 * kiln and holds until the same thread's next failed call. Never NULL. */
KILN_API const char *kiln_last_error(void);

/* "major.minor.patch" of the library in use. */
KILN_API const char *kiln_version(void);

/* Frees a string that a kiln call handed over (its comment says so). NULL is allowed. */
KILN_API void kiln_free(void *memory);

/* ---- context ----------------------------------------------------------------------------- */

typedef struct kiln_context kiln_context;
typedef struct kiln_kernel kiln_kernel;

typedef enum kiln_log_level {
    KILN_LOG_WARNING = 0,
    KILN_LOG_INFO = 1,
    KILN_LOG_DEBUG = 2
} kiln_log_level;

/* Gets warnings (a cache that cannot be written), what was built or loaded (info) and why a
 * variant was passed over (debug). Called from any thread that calls kiln and from kiln's own
 * cache writer; it may not call kiln. message holds until it returns. */
typedef void (*kiln_log_fn)(void *user, kiln_log_level level, const char *message);

typedef enum kiln_cache_mode {
    KILN_CACHE_DEFAULT = 0,  /* as KILN_CACHE says (on, off, readonly, require); else on */
    KILN_CACHE_ON = 1,       /* read and write */
    KILN_CACHE_OFF = 2,      /* no disk access */
    KILN_CACHE_READONLY = 3, /* read, never write */
    KILN_CACHE_REQUIRE = 4   /* read only, and a miss is KILN_CACHE_MISS */
} kiln_cache_mode;

/* A program's own keeping place for binaries and tuning, in stead of the cache directory. Both
 * functions may be called from any thread that calls kiln and from kiln's own, several at once;
 * they may not call kiln. A key is a name of letters, digits, `-' and `.', shorter than 64
 * characters, fit for a file. What get hands over is checked as a file of the cache is: a value
 * that was damaged, or is another key's, counts as none. */
typedef struct kiln_store {
    /* If there is a value under key, calls take(to, value, length) once, which copies it, and
     * returns 1; else returns 0. */
    int (*get)(void *user, const char *key,
               void (*take)(void *to, const void *value, size_t length), void *to);
    /* Keeps a copy of value under key in place of what was there. 1: kept; 0: not. */
    int (*set)(void *user, const char *key, const void *value, size_t length);
    void *user;
} kiln_store;

/* Zero-initialise, then set what is needed; pointers are only read during the call. */
typedef struct kiln_context_params {
    cl_context context;      /* the caller's, retained; needs device. NULL: kiln makes one */
    cl_device_id device;     /* a device of context; without context: the device to use */
    const char *device_name; /* without device: "cpu", "gpu", an index as `kiln devices` numbers
                                them, or a part of the device's or platform's name. NULL:
                                $KILN_DEVICE; that unset: the first GPU, else the first CPU */
    kiln_cache_mode cache;
    const char *cache_dir;    /* NULL: $KILN_CACHE_DIR, $XDG_CACHE_HOME/kiln, ~/.cache/kiln */
    const kiln_store *store;  /* NULL: the directory; copied. cache says whether it is used, too */
    const char *template_dir; /* files here replace embedded templates of the same name, for
                                 kernel developers. NULL: $KILN_TEMPLATE_DIR, if set */
    kiln_log_fn log;          /* NULL: silence */
    void *log_user;
} kiln_context_params;

/* params may be NULL (all defaults). *context is released with kiln_release_context. */
KILN_API kiln_status kiln_create_context(const kiln_context_params *params, kiln_context **context);

/* As kiln_flush_cache, then frees. Kernels of the context stay valid until they are released
 * themselves. NULL is allowed. */
KILN_API void kiln_release_context(kiln_context *context);

/* Some drivers (PoCL) have a kernel's whole binary only after its first launch: kiln then writes it
 * from a thread of its own, which can take seconds. This waits until the binaries of all launches
 * that are over are in the cache; call it before timing anything. NULL is allowed. */
KILN_API void kiln_flush_cache(kiln_context *context);

/* The cl_context and device in use, for making queues and buffers. Not retained for the caller:
 * they hold as long as the context does. NULL for NULL. */
KILN_API cl_context kiln_context_cl(const kiln_context *context);
KILN_API cl_device_id kiln_context_device(const kiln_context *context);

/* ---- kernels ----------------------------------------------------------------------------- */

/* The rows of the registry: how many, and their names in order (NULL past the end). */
KILN_API size_t kiln_num_kernels(void);
KILN_API const char *kiln_kernel_name(size_t index);

/* Creates the kernel that spec asks for:
 *
 *     NAME dimension=VALUE ... option=VALUE ...
 *
 * separated by blanks, in any order. A dimension is an integer from 1 to 2147483647, or `?`: then
 * it is an argument of each launch. dtype is f32 (default), f16 or bf16. Every kernel takes
 * workgroup_size (0, or a multiple of 64 from 64 to 1024), the matmul family tile_size (0, 8, 16,
 * 32, 64, 128), and every kernel variant=NAME to insist on one; 0 or absent lets kiln choose.
 * `kiln show NAME` prints what a kernel takes.
 *
 * *kernel is released with kiln_release_kernel. Equal specs share one built kernel. */
KILN_API kiln_status kiln_create_kernel(kiln_context *context, const char *spec,
                                        kiln_kernel **kernel);

/* Launches already enqueued are not disturbed. NULL is allowed. */
KILN_API void kiln_release_kernel(kiln_kernel *kernel);

typedef enum kiln_dtype {
    KILN_DTYPE_DEFAULT = 0,
    KILN_F32 = 1,
    KILN_F16 = 2,  /* IEEE 754 binary16 */
    KILN_BF16 = 3, /* upper half of a binary32, stored as a 16-bit integer */
    KILN_I32 = 4   /* ids, targets, positions */
} kiln_dtype;

/* Where tuning values come from. */
typedef enum kiln_tuning_origin {
    KILN_TUNING_DERIVED = 0, /* by the kernel's rules from what the device tells of itself */
    KILN_TUNING_TUNED = 1,   /* measured by kiln_tune on this device */
    KILN_TUNING_SHIPPED = 2  /* measured on a device of the same facts, and brought along */
} kiln_tuning_origin;

typedef enum kiln_cache_result {
    KILN_COMPILED = 0, /* the driver compiled it */
    KILN_FROM_DISK = 1 /* its binary came from the disk cache */
} kiln_cache_result;

/* Strings belong to the kernel and hold as long as it does. */
typedef struct kiln_kernel_info {
    const char *spec;    /* canonical: name, dimensions, dtype, options that are not default */
    const char *name;    /* the row */
    const char *variant; /* the variant chosen */
    const char *tuning;  /* its tuning values, "BM=64 BN=64 ..." */
    kiln_tuning_origin tuning_origin;
    const char *tuned_for;   /* unless derived: the spec that was measured; else NULL */
    kiln_cache_result cache; /* how the first creation of this spec got its binary */
    double create_s;         /* seconds that creation took */
    size_t num_args;         /* arguments of a launch, dimensions and scalars included */
    size_t num_stages;       /* OpenCL kernels a launch enqueues */
    size_t workgroup_size;   /* of the main stage */
} kiln_kernel_info;

KILN_API kiln_status kiln_get_kernel_info(const kiln_kernel *kernel, kiln_kernel_info *info);

/* The generated OpenCL C of a stage (0 <= stage < num_stages), NULL past the end. Belongs to the
 * kernel. */
KILN_API const char *kiln_kernel_source(const kiln_kernel *kernel, size_t stage);

/* ---- launch ------------------------------------------------------------------------------ */

typedef enum kiln_arg_kind {
    KILN_ARG_BUFFER = 0,
    KILN_ARG_DIM = 1,   /* a launch-time dimension */
    KILN_ARG_SCALAR = 2 /* a number of this step: learning rate, seed */
} kiln_arg_kind;

typedef struct kiln_arg {
    const char *name;
    kiln_arg_kind kind;
    cl_mem buffer;
    size_t offset;   /* bytes from the buffer's start, a multiple of the element's size */
    int64_t integer; /* the dimension, or an integer scalar */
    double real;     /* a real scalar */
} kiln_arg;

static inline kiln_arg kiln_buffer_at(const char *name, cl_mem buffer, size_t offset)
{
    kiln_arg arg = {name, KILN_ARG_BUFFER, buffer, offset, 0, 0.0};
    return arg;
}

static inline kiln_arg kiln_buffer(const char *name, cl_mem buffer)
{
    return kiln_buffer_at(name, buffer, 0);
}

static inline kiln_arg kiln_dim(const char *name, int64_t value)
{
    kiln_arg arg = {name, KILN_ARG_DIM, NULL, 0, value, 0.0};
    return arg;
}

/* An integer scalar takes a whole number only. */
static inline kiln_arg kiln_scalar(const char *name, double value)
{
    kiln_arg arg = {name, KILN_ARG_SCALAR, NULL, 0, 0, value};
    if (value >= -9223372036854775808.0 && value < 9223372036854775808.0)
        arg.integer = (int64_t)value;
    return arg;
}

/* For a seed, a 64-bit unsigned number, cast it. */
static inline kiln_arg kiln_scalar_int(const char *name, int64_t value)
{
    kiln_arg arg = {name, KILN_ARG_SCALAR, NULL, 0, value, (double)value};
    return arg;
}

/* Enqueues the kernel on queue, whose context must be the kernel's and whose device its device.
 * args, in any order, are every argument of the kernel: buffers large enough for their extents
 * behind the offset, and every dimension that the spec left to the launch. Buffers may not
 * overlap where one is written, but for the pairs that a kernel's comment allows in place (y on x,
 * residual on c). Works on in-order and out-of-order queues: the launch waits for wait_list (of
 * num_wait events, NULL if 0), its stages for one another; event, if not NULL, gets an event that
 * the caller releases. Returns as soon as it is enqueued, but for launches of a new kernel on a
 * driver as PoCL (kiln_flush_cache): they wait while its binary is read. Buffers are retained by
 * OpenCL. What stages leave for one another is kiln's own; behind a launch on a queue in order the
 * context keeps it for the next, with a reference to the queue, up to a thirty-second of the
 * device's memory, until it is released. */
KILN_API kiln_status kiln_launch(kiln_kernel *kernel, cl_command_queue queue, const kiln_arg *args,
                                 size_t num_args, cl_uint num_wait, const cl_event *wait_list,
                                 cl_event *event);

#define KILN_MAX_RANK 4

/* One argument of a launch, as kiln_get_arg_info tells it. */
typedef struct kiln_arg_info {
    const char *name; /* belongs to the kernel */
    kiln_arg_kind kind;
    kiln_dtype dtype; /* of a buffer's elements */
    int is_input;     /* a buffer that is read */
    int is_output;    /* a buffer that is written */
    size_t rank;      /* of a buffer: how many extents */
    int64_t extents[KILN_MAX_RANK];
    int64_t row_stride; /* elements from row to row: the last extent, or the leading dimension */
    size_t bytes;       /* what a launch needs behind the offset */
    int is_integer;     /* of a scalar: a whole number */
} kiln_arg_info;

/* Argument index (0 <= index < num_args) under the launch-time dimensions given in dims; args of
 * other kinds among them are passed over. KILN_INVALID_LAUNCH if a dimension is missing that a
 * buffer's extent needs. */
KILN_API kiln_status kiln_get_arg_info(const kiln_kernel *kernel, size_t index,
                                       const kiln_arg *dims, size_t num_dims, kiln_arg_info *info);

typedef struct kiln_cost {
    double flops; /* multiply and add are two */
    double bytes; /* every input read once, every output written once */
} kiln_cost;

/* What one launch costs under these launch-time dimensions (as above). */
KILN_API kiln_status kiln_get_cost(const kiln_kernel *kernel, const kiln_arg *dims, size_t num_dims,
                                   kiln_cost *cost);

/* ---- tuning ------------------------------------------------------------------------------ */

/* Tuning measures a kernel under many tuning values and keeps the best, one line of text for each
 * spec: the canonical spec, variant and values, the time, the library's version. The lines of a
 * device (and driver) are one file in the cache directory, written as a whole, or a value of the
 * context's store; $KILN_TUNE_FILE names another file. A context reads them once, at its first
 * creation of a kernel: a file of another format or device, and lines that cannot be, are passed
 * over with one warning.
 *
 * From then on a spec whose tile_size and workgroup_size are 0 gets the values of the line that is
 * nearest: of the same kernel, and the same options but lda, ldb and ldc; a line that was tuned
 * under variant=NAME serves only specs that insist on that variant, and a spec that insists takes
 * lines of its variant only. Lines that kiln brings along come behind all of the device's own, by
 * the same rule. `?' matches `?', and numbers a and b are |log2(a/b)| apart, at most 1
 * in each dimension and 2 in all; of lines equally near the first counts. Values that the spec's
 * sizes or the device forbid are passed over for the next nearest. */

/* How far a search has come. Strings hold during the call. */
typedef struct kiln_tune_progress {
    const char *spec; /* canonical */
    double elapsed_s, budget_s;
    size_t tried, failed; /* candidates measured or failed by now, of earlier runs, too */
    double default_s;     /* the time of the choice without tuning; 0: not known yet */
    double best_s;        /* and of the best so far, with its variant and values */
    const char *variant, *tuning;
    const char *failure; /* why the candidate just tried failed, a sentence; NULL: it did not */
} kiln_tune_progress;

/* Called after every candidate. 0 goes on; anything else ends the search: what was found is kept.
 * It may not call kiln with the same context. */
typedef int (*kiln_tune_progress_fn)(void *user, const kiln_tune_progress *progress);

/* Zero-initialise, then set what is needed. */
typedef struct kiln_tune_params {
    double budget_s;      /* seconds, above 0. A candidate that is under way is finished */
    const kiln_arg *dims; /* the dimensions that the spec leaves to the launch: what is measured */
    size_t num_dims;
    kiln_tune_progress_fn progress; /* NULL: none */
    void *progress_user;
} kiln_tune_params;

#define KILN_TUNING_LENGTH 160

typedef struct kiln_tune_result {
    char variant[16], tuning[KILN_TUNING_LENGTH];                 /* the best */
    char default_variant[16], default_tuning[KILN_TUNING_LENGTH]; /* the choice without tuning */
    double best_s, default_s; /* seconds of a launch, measured in turn at the end */
    size_t tried, failed;     /* candidates measured and failed, of earlier runs, too */
    size_t known;             /* those of earlier runs among them */
    int complete;             /* 1: the search came to its end; 0: budget or callback ended it */
    int kept; /* 1: the line is in the store; 0: it could not be, and holds in this context */
} kiln_tune_result;

/* Searches tuning values for spec, whose tile_size and workgroup_size must be 0, on the context's
 * device, and keeps what it finds as it goes: a search cut short is taken up by the next one.
 * Inputs hold numbers like N(0,1); queue and buffers are kiln's own. Every candidate runs on the
 * same inputs as a trusted one, into outputs that hold NaN between guard words, and is rejected
 * unless ||out-trusted||/||trusted|| is within 1e-5 (outputs in f32; with compute=tf32 1e-3), 2e-3
 * (f16), 1e-2 (bf16), no element is off by 16 times that of (|trusted| + rms), integers are equal
 * and the guards whole. Trusted is the choice without tuning of another variant of the kernel,
 * where there is one that would not take more than half the budget, else that of the same variant.
 *
 * A candidate that fails is noted, and not tried again by this version. Candidates run in this
 * process: one that crashes or hangs the driver takes the process with it; `kiln tune' has a
 * process of its own for them, and so has to be run first where that may happen.
 *
 * KILN_INVALID_ARGUMENT for a budget that is not above 0; KILN_INVALID_SPEC for a spec that leaves
 * nothing to choose; KILN_OPENCL_ERROR if the choice without tuning fails; else as
 * kiln_create_kernel and kiln_launch. Kernels made before keep their
 * values. Waits for the device; other work on it disturbs the times. */
KILN_API kiln_status kiln_tune(kiln_context *context, const char *spec,
                               const kiln_tune_params *params, kiln_tune_result *result);

/* A line of the store. Strings hold during the visit. */
typedef struct kiln_tuned {
    const char *spec, *variant, *tuning;
    double time_s;
    const char *version; /* of the library that measured it */
} kiln_tuned;

/* Visits every tuned spec of the context's device, as the store has them now; visit returns 0 to
 * stop. It may not call kiln with the same context. */
KILN_API kiln_status kiln_list_tuned(kiln_context *context,
                                     int (*visit)(void *user, const kiln_tuned *tuned), void *user);

/* Takes spec, or every spec if it is NULL, out of the store, with all candidates noted for it.
 * *count, if count is not NULL: how many tuned specs went. */
KILN_API kiln_status kiln_forget_tuned(kiln_context *context, const char *spec, size_t *count);

/* ---- generation without a device --------------------------------------------------------- */

/* The OpenCL C that kiln would build for spec on a device of these facts, stages one behind the
 * other, as a string that the caller frees with kiln_free. Needs no OpenCL driver. facts is a
 * comma-separated list of name=value over a base of "cpu" or "gpu" (NULL: "gpu"):
 *
 *     gpu,local_mem=49152,max_workgroup=1024,compute_units=132,simd_width=1
 *
 * Of NVIDIA's chips also sm=90 (compute capability times 10), sm_a=1 (the driver takes instructions
 * of that chip alone) and static_local=231424 (bytes that a program may declare). */
KILN_API kiln_status kiln_emit(const char *spec, const char *facts, char **source);

/* ---- typed creation ---------------------------------------------------------------------- */

/* A dimension given at each launch. */
#define KILN_LAUNCH_TIME (-1)

/* GELU's two forms, named as PyTorch names them; there is no default.
 * Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415. */
typedef enum kiln_approx {
    KILN_APPROX_UNSET = 0,
    KILN_APPROX_NONE = 1, /* x Phi(x), Phi by erf */
    KILN_APPROX_TANH = 2  /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
} kiln_approx;

/* How b is stored: nn b[k,n], nt b[n,k] (PyTorch's Linear). */
typedef enum kiln_layout {
    KILN_LAYOUT_DEFAULT = 0,
    KILN_LAYOUT_NN = 1,
    KILN_LAYOUT_NT = 2
} kiln_layout;

/* What a product of f32 may be computed in. tf32: a and b may be rounded to 11 bits on their way
 * into tensor cores, the sums stay f32; devices without those compute as they do without it. Errors
 * are of 1e-3 of c's norm then. */
typedef enum kiln_compute {
    KILN_COMPUTE_DEFAULT = 0,
    KILN_COMPUTE_DTYPE = 1,
    KILN_COMPUTE_TF32 = 2
} kiln_compute;

/* Every params struct is zero-initialised and then filled; a field left at 0 takes its default.
 * A dimension has none: it is 1 or more, or KILN_LAUNCH_TIME. */

/* What every kernel takes. */
typedef struct kiln_choice {
    int64_t workgroup_size; /* 0, or a multiple of 64 from 64 to 1024 */
    const char *variant;    /* NULL: the first that device and spec allow */
} kiln_choice;

/* matmul     c = a b     a[m,k] b[k,n] c[m,n]
 * matmul_nt  c = a b^T   a[m,k] b[n,k] c[m,n]   (PyTorch's Linear; dX)
 * matmul_tn  c = a^T b   a[k,m] b[k,n] c[m,n]   (dW) */
typedef struct kiln_matmul_params {
    int64_t m, n, k;
    kiln_dtype dtype;
    kiln_dtype out_dtype;  /* c's storage; default dtype */
    int64_t accumulate;    /* 1: c += */
    int64_t packed;        /* 1: b as kiln_pack leaves it; ldb must be 0 */
    int64_t lda, ldb, ldc; /* row lengths in elements of a, b, c as stored; 0: no padding */
    int64_t tile_size;     /* 0, 8, 16, 32, 64, 128 */
    kiln_compute compute;
    kiln_choice choice;
} kiln_matmul_params;

KILN_API kiln_status kiln_create_matmul_kernel(kiln_context *context,
                                               const kiln_matmul_params *params,
                                               kiln_kernel **kernel);
KILN_API kiln_status kiln_create_matmul_nt_kernel(kiln_context *context,
                                                  const kiln_matmul_params *params,
                                                  kiln_kernel **kernel);
KILN_API kiln_status kiln_create_matmul_tn_kernel(kiln_context *context,
                                                  const kiln_matmul_params *params,
                                                  kiln_kernel **kernel);

/* b of a product, once, in the order in which products read it, for weights that stay the same:
 * packed[ceil(n/64), k to a multiple of 16, 64], panels of 64 columns, zeros where b has nothing;
 * the same for all devices. Products with packed=1 take it as b: matmul, matmul_nt, matmul_tn
 * (whatever the layout was) and the fused rows but matmul_swiglu; n and k are the product's, in
 * qkv_projection n is the columns of w.   b[k,n], layout nt: b[n,k]; packed in dtype; the bits are
 * moved as they are. */
typedef struct kiln_pack_params {
    int64_t n, k;
    kiln_dtype dtype;
    kiln_layout layout;
    int64_t ldb; /* row length in elements of b; 0: no padding */
    kiln_choice choice;
} kiln_pack_params;

KILN_API kiln_status kiln_create_pack_kernel(kiln_context *context, const kiln_pack_params *params,
                                             kiln_kernel **kernel);

/* The same in one call: creates the kernel, makes a buffer of the right size on the context, and
 * launches on queue, with events as in kiln_launch. b: the argument that kiln_buffer("b", ...) or
 * kiln_buffer_at makes. n and k must be numbers. *packed is the caller's, to be released by
 * clReleaseMemObject; NULL after an error. b may be released once the event is complete.
 * Thread-safe. KILN_INVALID_ARGUMENT for a NULL or KILN_LAUNCH_TIME, KILN_OPENCL_ERROR if there is
 * no room, else what kiln_create_kernel and kiln_launch give. */
KILN_API kiln_status kiln_pack(kiln_context *context, cl_command_queue queue,
                               const kiln_pack_params *params, kiln_arg b, cl_uint num_wait,
                               const cl_event *wait_list, cl_event *event, cl_mem *packed);

/* c = a b for each of batch matrices that follow one another at rows x ld elements.
 * a[batch,m,k], with trans_a a[batch,k,m]; b[batch,k,n], with trans_b b[batch,n,k]; c[batch,m,n] */
typedef struct kiln_batched_matmul_params {
    int64_t batch, m, n, k;
    kiln_dtype dtype;
    kiln_dtype out_dtype;
    int64_t accumulate;
    int64_t trans_a, trans_b;
    int64_t lda, ldb, ldc;
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_batched_matmul_params;

KILN_API kiln_status kiln_create_batched_matmul_kernel(kiln_context *context,
                                                       const kiln_batched_matmul_params *params,
                                                       kiln_kernel **kernel);

/* bias_add      y = x + bias       x[m,n] bias[n] y[m,n]       y may be x
 * residual_add  y = x + residual   x[m,n] residual[m,n] y[m,n] y may be x */
typedef struct kiln_elementwise_params {
    int64_t m, n;
    kiln_dtype dtype;
    kiln_choice choice;
} kiln_elementwise_params;

KILN_API kiln_status kiln_create_bias_add_kernel(kiln_context *context,
                                                 const kiln_elementwise_params *params,
                                                 kiln_kernel **kernel);
KILN_API kiln_status kiln_create_residual_add_kernel(kiln_context *context,
                                                     const kiln_elementwise_params *params,
                                                     kiln_kernel **kernel);

/* y = keep ? x/(1-p) : 0. Element e of x keeps iff word (offset+e) mod 4 of Philox4x32-10 with the
 * counter (offset+e) div 4 and the key seed is at least p 2^32: the same numbers give the same
 * mask, so the kernel on dy is the backward pass. Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011.   x[m,n] y[m,n]; y may be x; scalars p (0 <= p < 1, as f32), seed, offset
 * (64 bits) */
KILN_API kiln_status kiln_create_dropout_kernel(kiln_context *context,
                                                const kiln_elementwise_params *params,
                                                kiln_kernel **kernel);

/* gelu           y = gelu(x)        x[m,n] y[m,n]   y may be x
 * gelu_backward  dx = dy gelu'(x)   dy[m,n] x[m,n] dx[m,n] */
typedef struct kiln_gelu_params {
    int64_t m, n;
    kiln_dtype dtype;
    kiln_approx approx;
    kiln_choice choice;
} kiln_gelu_params;

KILN_API kiln_status kiln_create_gelu_kernel(kiln_context *context, const kiln_gelu_params *params,
                                             kiln_kernel **kernel);

KILN_API kiln_status kiln_create_gelu_backward_kernel(kiln_context *context,
                                                      const kiln_gelu_params *params,
                                                      kiln_kernel **kernel);

/* Where gate and up stand in a row of x; there is no default. */
typedef enum kiln_gate_layout {
    KILN_GATE_UNSET = 0,
    KILN_GATE_SPLIT = 1,      /* gate in columns 0..n-1, up in n..2n-1 */
    KILN_GATE_INTERLEAVED = 2 /* gate in the even columns, up in the odd ones */
} kiln_gate_layout;

/* swiglu           y = silu(gate) up, silu(g) = g/(1 + exp(-g))   x[m,2n] y[m,n]
 * swiglu_backward  the gradients of gate and up                   dy[m,n] x[m,2n] dx[m,2n]
 * Shazeer, "GLU variants improve transformer", arXiv:2002.05202. */
typedef struct kiln_swiglu_params {
    int64_t m, n;
    kiln_dtype dtype;
    kiln_gate_layout layout;
    kiln_choice choice;
} kiln_swiglu_params;

KILN_API kiln_status kiln_create_swiglu_kernel(kiln_context *context,
                                               const kiln_swiglu_params *params,
                                               kiln_kernel **kernel);
KILN_API kiln_status kiln_create_swiglu_backward_kernel(kiln_context *context,
                                                        const kiln_swiglu_params *params,
                                                        kiln_kernel **kernel);

/* y = x^T for each of batch matrices   x[batch,m,n] y[batch,n,m]; the bits are moved as they are.
 */
typedef struct kiln_transpose_params {
    int64_t batch, m, n;
    kiln_dtype dtype;
    kiln_choice choice;
} kiln_transpose_params;

KILN_API kiln_status kiln_create_transpose_kernel(kiln_context *context,
                                                  const kiln_transpose_params *params,
                                                  kiln_kernel **kernel);

/* Which elements of a head turn together; there is no default. */
typedef enum kiln_rope_style {
    KILN_ROPE_UNSET = 0,
    KILN_ROPE_NEOX = 1, /* i and i + rotary_dim/2 */
    KILN_ROPE_GPTJ = 2  /* 2i and 2i + 1 */
} kiln_rope_style;

/* Pair i of each head turns by position theta^(-2i/rotary_dim): (u,v) to (u cos - v sin,
 * v cos + u sin). Su et al., "RoFormer", arXiv:2104.09864.
 * x[tokens,heads,head_dim] positions[tokens] (i32) y[tokens,heads,head_dim]; y may be x */
typedef struct kiln_rope_params {
    int64_t tokens, heads, head_dim; /* heads and head_dim are given here, not at launch */
    kiln_dtype dtype;
    kiln_rope_style style;
    int64_t rotary_dim; /* even, at most head_dim; 0: head_dim. The rest is copied */
    double theta;       /* 0: 10000 */
    int64_t inverse;    /* 1: negated angles, for the backward pass */
    kiln_choice choice;
} kiln_rope_params;

KILN_API kiln_status kiln_create_rope_kernel(kiln_context *context, const kiln_rope_params *params,
                                             kiln_kernel **kernel);

/* y = table[ids]   ids[tokens] (i32) table[vocab,n] y[tokens,n]; an id outside gives zeros and
 * nothing is read for it. */
typedef struct kiln_embedding_params {
    int64_t tokens, vocab, n;
    kiln_dtype dtype;
    int64_t bad; /* 1: bad[1] (i32) gets the number of ids outside 0 .. vocab-1 */
    kiln_choice choice;
} kiln_embedding_params;

KILN_API kiln_status kiln_create_embedding_kernel(kiln_context *context,
                                                  const kiln_embedding_params *params,
                                                  kiln_kernel **kernel);

/* dtable[ids] += dy   ids[tokens] (i32) dy[tokens,n] dtable[vocab,n]; summed in f32 in the order of
 * the tokens, rounded once. Ids outside are passed over, rows without an id stay untouched. */
typedef struct kiln_embedding_backward_params {
    int64_t tokens, vocab, n;
    kiln_dtype dtype;
    kiln_dtype out_dtype; /* dtable's storage; default dtype */
    kiln_choice choice;
} kiln_embedding_backward_params;

KILN_API kiln_status kiln_create_embedding_backward_kernel(
    kiln_context *context, const kiln_embedding_backward_params *params, kiln_kernel **kernel);

/* dbias = sum over rows of dy   dy[m,n] dbias[n] */
typedef struct kiln_bias_backward_params {
    int64_t m, n;
    kiln_dtype dtype;
    kiln_dtype out_dtype; /* dbias's storage; default dtype */
    int64_t accumulate;   /* 1: dbias += */
    kiln_choice choice;
} kiln_bias_backward_params;

KILN_API kiln_status kiln_create_bias_backward_kernel(kiln_context *context,
                                                      const kiln_bias_backward_params *params,
                                                      kiln_kernel **kernel);

/* y = softmax(scale x) of each row   x[batch,m,n] y[batch,m,n]; y may be x. A row that sees
 * nothing, or -inf only, becomes zeros. */
typedef struct kiln_softmax_params {
    int64_t batch, m, n;
    kiln_dtype dtype;
    int64_t causal; /* 1: row i sees the columns j <= i+n-m, the others become 0 */
    double scale;   /* 0: 1 */
    kiln_choice choice;
} kiln_softmax_params;

KILN_API kiln_status kiln_create_softmax_kernel(kiln_context *context,
                                                const kiln_softmax_params *params,
                                                kiln_kernel **kernel);

/* dx = scale y (dy - sum of dy y)   dy[batch,m,n] y[batch,m,n] dx[batch,m,n] */
typedef struct kiln_softmax_backward_params {
    int64_t batch, m, n;
    kiln_dtype dtype;
    double scale; /* 0: 1 */
    kiln_choice choice;
} kiln_softmax_backward_params;

KILN_API kiln_status kiln_create_softmax_backward_kernel(kiln_context *context,
                                                         const kiln_softmax_backward_params *params,
                                                         kiln_kernel **kernel);

/* For switches that are on by default. */
#define KILN_ON  1
#define KILN_OFF (-1)

/* y = (x - mean) rstd gamma + beta, rstd = 1/sqrt(variance + eps) of each row.
 * Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450.
 * x[m,n] gamma[n] beta[n] y[m,n] mean[m] rstd[m]; mean and rstd are f32 */
typedef struct kiln_layernorm_params {
    int64_t m, n;
    kiln_dtype dtype;
    double eps;   /* positive; 0: 1e-5 */
    int64_t beta; /* KILN_OFF: without; default on */
    kiln_choice choice;
} kiln_layernorm_params;

KILN_API kiln_status kiln_create_layernorm_kernel(kiln_context *context,
                                                  const kiln_layernorm_params *params,
                                                  kiln_kernel **kernel);

/* sum = x + residual, rounded to dtype, and layernorm of the unrounded sum: y, mean, rstd.
 * x[m,n] residual[m,n] gamma[n] beta[n] sum[m,n] y[m,n] mean[m] rstd[m]; sum may be x or residual
 */
KILN_API kiln_status kiln_create_residual_layernorm_kernel(kiln_context *context,
                                                           const kiln_layernorm_params *params,
                                                           kiln_kernel **kernel);

/* xhat = (x - mean) rstd, g = dy gamma: dx = rstd (g - mean(g) - xhat mean(g xhat)),
 * dgamma = sum of dy xhat, dbeta = sum of dy, over rows.
 * dy[m,n] x[m,n] gamma[n] mean[m] rstd[m] dx[m,n] dgamma[n] dbeta[n] */
typedef struct kiln_layernorm_backward_params {
    int64_t m, n;
    kiln_dtype dtype;
    kiln_dtype out_dtype; /* the weights' gradients' storage; default dtype */
    int64_t accumulate;   /* 1: they are added to */
    int64_t beta;         /* KILN_OFF: no dbeta; default on */
    kiln_choice choice;
} kiln_layernorm_backward_params;

KILN_API kiln_status kiln_create_layernorm_backward_kernel(
    kiln_context *context, const kiln_layernorm_backward_params *params, kiln_kernel **kernel);

/* y = x rstd (gamma + unit_offset), rstd = 1/sqrt(mean of x^2 + eps) of each row.
 * Zhang and Sennrich, "Root mean square layer normalization", arXiv:1910.07467.
 * x[m,n] gamma[n] y[m,n] rstd[m]; rstd is f32 */
typedef struct kiln_rmsnorm_params {
    int64_t m, n;
    kiln_dtype dtype;
    double eps;          /* positive; 0: 1e-5 */
    int64_t unit_offset; /* 1: gamma + 1 in place of gamma */
    kiln_choice choice;
} kiln_rmsnorm_params;

KILN_API kiln_status kiln_create_rmsnorm_kernel(kiln_context *context,
                                                const kiln_rmsnorm_params *params,
                                                kiln_kernel **kernel);

/* sum = x + residual, rounded to dtype, and rmsnorm of the unrounded sum: y, rstd.
 * x[m,n] residual[m,n] gamma[n] sum[m,n] y[m,n] rstd[m]; sum may be x or residual */
KILN_API kiln_status kiln_create_residual_rmsnorm_kernel(kiln_context *context,
                                                         const kiln_rmsnorm_params *params,
                                                         kiln_kernel **kernel);

/* xhat = x rstd, g = dy (gamma + unit_offset): dx = rstd (g - xhat mean(g xhat)), dgamma = sum of
 * dy xhat over rows.   dy[m,n] x[m,n] gamma[n] rstd[m] dx[m,n] dgamma[n] */
typedef struct kiln_rmsnorm_backward_params {
    int64_t m, n;
    kiln_dtype dtype;
    kiln_dtype out_dtype; /* the weights' gradients' storage; default dtype */
    int64_t accumulate;   /* 1: they are added to */
    int64_t unit_offset;
    kiln_choice choice;
} kiln_rmsnorm_backward_params;

KILN_API kiln_status kiln_create_rmsnorm_backward_kernel(kiln_context *context,
                                                         const kiln_rmsnorm_backward_params *params,
                                                         kiln_kernel **kernel);

/* loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2 of each token;
 * dlogits = grad_scale (p (1 + 2 z lse) - (1-s) onehot - s/vocab). A target that is ignore_index,
 * or outside the vocabulary, gives loss and dlogits 0 and an lse. logits[tokens,vocab]
 * targets[tokens] (i32) loss[tokens] lse[tokens] (f32) dlogits[tokens,vocab], which may be logits;
 * scalar grad_scale */
typedef struct kiln_cross_entropy_params {
    int64_t tokens, vocab;
    kiln_dtype dtype;
    double label_smoothing; /* s: 0 <= s < 1 */
    double z_loss;          /* z: the weight of lse^2 */
    int64_t ignore_index;   /* 0: -100, which means that index 0 is ignored by a spec only */
    int64_t dlogits;        /* 1: the gradient too */
    int64_t bad;            /* 1: bad[1] (i32) gets the number of targets outside */
    kiln_choice choice;
} kiln_cross_entropy_params;

KILN_API kiln_status kiln_create_cross_entropy_kernel(kiln_context *context,
                                                      const kiln_cross_entropy_params *params,
                                                      kiln_kernel **kernel);

/* For each head, s = scale q k^T of every query and the keys that it sees: lse = ln(sum of exp(s))
 * and o = sum of exp(s - lse) v, with memory linear in seq_q and seq_k.
 * Dao, "FlashAttention-2", arXiv:2307.08691.
 *
 * flash_attention           q[batch,seq_q,heads,head_dim] k[batch,seq_k,kv_heads,head_dim] v[as k]
 *                           o[as q] lse[batch,heads,seq_q]
 * flash_attention_backward  dout[as q] o q k v lse dq[as q] dk[as k] dv[as k]
 *
 * Head h reads the keys and values of head h div (heads/kv_heads). Query i stands at the key
 * i + seq_k - seq_q: the last query beside the last key. softcap is applied to s first, then alibi,
 * then what causal and window hide. A query that sees nothing gets o of zeros and an lse of -inf,
 * and adds nothing to a gradient. The backward pass takes o and lse as they are given; dq, dk and
 * dv are overwritten. lse is f32. */
typedef struct kiln_flash_attention_params {
    int64_t batch, seq_q, seq_k;
    int64_t heads, kv_heads, head_dim; /* given here, not at launch: heads a multiple of kv_heads,
                                          head_dim of 8 and at most 512 */
    kiln_dtype dtype;
    int64_t causal; /* 1: a query sees no key behind its place */
    double scale;   /* 0: head_dim^-0.5 */
    int64_t window; /* w: a query sees the keys nearer than w to its place; 0: all */
    double softcap; /* c > 0: s becomes c tanh(s/c) */
    int64_t alibi;  /* 1: s less the head's slope times the distance. Press, Smith and Lewis, "Train
                       short, test long", arXiv:2108.12409 */
    kiln_choice choice;
} kiln_flash_attention_params;

KILN_API kiln_status kiln_create_flash_attention_kernel(kiln_context *context,
                                                        const kiln_flash_attention_params *params,
                                                        kiln_kernel **kernel);
KILN_API kiln_status kiln_create_flash_attention_backward_kernel(
    kiln_context *context, const kiln_flash_attention_params *params, kiln_kernel **kernel);

/* sumsq = sum of g^2, clip = min(1, max_norm/(sqrt(sumsq) + 1e-6)). NaN or inf in g makes sumsq so
 * and clip 0.   g[n] sumsq[1] clip[1] (f32); scalar max_norm >= 0 */
typedef struct kiln_grad_norm_params {
    int64_t n;
    kiln_dtype dtype;
    int64_t accumulate; /* 1: sumsq +=, for the norm of several tensors */
    kiln_choice choice;
} kiln_grad_norm_params;

KILN_API kiln_status kiln_create_grad_norm_kernel(kiln_context *context,
                                                  const kiln_grad_norm_params *params,
                                                  kiln_kernel **kernel);

/* m = beta1 m + (1-beta1) g, v = beta2 v + (1-beta2) g^2, param -= lr ((m/(1-beta1^step)) /
 * (sqrt(v/(1-beta2^step)) + eps) + weight_decay param). Loshchilov and Hutter, "Decoupled weight
 * decay regularization", arXiv:1711.05101. g[n] in dtype; param[n] m[n] v[n], read and written, in
 * f32; scalars lr, beta1, beta2, eps, weight_decay and the whole number step, 1 for the first. */
typedef struct kiln_adamw_params {
    int64_t n;
    kiln_dtype dtype;
    int64_t clip;         /* 1: g is multiplied by clip[1] (f32); a clip of 0 changes nothing */
    int64_t param_out;    /* 1: the new param is stored rounded too, in param_out[n] */
    kiln_dtype out_dtype; /* param_out's storage; default dtype */
    kiln_choice choice;
} kiln_adamw_params;

KILN_API kiln_status kiln_create_adamw_kernel(kiln_context *context,
                                              const kiln_adamw_params *params,
                                              kiln_kernel **kernel);

/* c = gelu(a b + bias)   a[m,k] b[k,n] bias[n] c[m,n]; save_pre=1: also pre[m,n] = a b + bias,
 * rounded to dtype, for the backward pass (c is computed from the unrounded). pre shares ldc. */
typedef struct kiln_matmul_bias_gelu_params {
    int64_t m, n, k;
    kiln_dtype dtype;
    kiln_approx approx;
    kiln_layout layout;
    int64_t packed;
    int64_t save_pre;
    int64_t lda, ldb, ldc;
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_matmul_bias_gelu_params;

KILN_API kiln_status kiln_create_matmul_bias_gelu_kernel(kiln_context *context,
                                                         const kiln_matmul_bias_gelu_params *params,
                                                         kiln_kernel **kernel);

/* c = a b + bias + residual   a[m,k] b[k,n] bias[n] residual[m,n] c[m,n]; c may be residual,
 * which shares ldc. */
typedef struct kiln_matmul_bias_residual_params {
    int64_t m, n, k;
    kiln_dtype dtype;
    kiln_layout layout;
    int64_t packed;
    int64_t lda, ldb, ldc;
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_matmul_bias_residual_params;

KILN_API kiln_status kiln_create_matmul_bias_residual_kernel(
    kiln_context *context, const kiln_matmul_bias_residual_params *params, kiln_kernel **kernel);

/* gate, up = a b: c = silu(gate) up, as in kiln_swiglu_params. a[m,k] b[k,2n] c[m,n]; layout nt:
 * b[2n,k]. save_pre=1: also pre[m,2n] = a b, rounded to dtype, without padding and its columns in
 * b's order: what swiglu_backward takes for x (c is computed from the unrounded). */
typedef struct kiln_matmul_swiglu_params {
    int64_t m, n, k;
    kiln_dtype dtype;
    kiln_gate_layout gate; /* of the columns of a b */
    int64_t save_pre;
    kiln_layout layout;
    int64_t lda, ldb, ldc;
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_matmul_swiglu_params;

KILN_API kiln_status kiln_create_matmul_swiglu_kernel(kiln_context *context,
                                                      const kiln_matmul_swiglu_params *params,
                                                      kiln_kernel **kernel);

/* c = (a b) gelu'(x), x being what GELU was given; dbias=1: also dbias[n], the sums of c's columns,
 * in f32 and before c is rounded.   a[m,k] b[k,n] x[m,n] c[m,n]; x shares ldc */
typedef struct kiln_matmul_gelu_backward_params {
    int64_t m, n, k;
    kiln_dtype dtype;
    kiln_approx approx;
    int64_t dbias;
    kiln_dtype out_dtype; /* dbias's storage; default dtype */
    kiln_layout layout;
    int64_t packed;
    int64_t lda, ldb, ldc;
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_matmul_gelu_backward_params;

KILN_API kiln_status kiln_create_matmul_gelu_backward_kernel(
    kiln_context *context, const kiln_matmul_gelu_backward_params *params, kiln_kernel **kernel);

/* c = gelu(a) b, with bias=1 + bias   a[m,k] b[k,n] bias[n] c[m,n] */
typedef struct kiln_gelu_matmul_params {
    int64_t m, n, k;
    kiln_dtype dtype;
    kiln_approx approx;
    int64_t bias; /* 1: bias is added */
    kiln_layout layout;
    int64_t packed;
    int64_t lda, ldb, ldc;
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_gelu_matmul_params;

KILN_API kiln_status kiln_create_gelu_matmul_kernel(kiln_context *context,
                                                    const kiln_gelu_matmul_params *params,
                                                    kiln_kernel **kernel);

/* c = layernorm(a) b, with bias=1 + bias, with gelu=1 gelu of that; the norm is of a's rows and as
 * in kiln_layernorm_params.   a[m,k] gamma[k] beta[k] b[k,n] bias[n] c[m,n]; save_stats=1: also
 * mean[m] rstd[m] (f32) for the backward pass */
typedef struct kiln_layernorm_matmul_params {
    int64_t m, n, k;
    kiln_dtype dtype;
    double eps;         /* positive; 0: 1e-5 */
    int64_t beta;       /* KILN_OFF: without; default on */
    int64_t bias;       /* 1: bias is added */
    int64_t save_stats; /* 1: mean and rstd are stored too */
    int64_t gelu;       /* 1: by approx, which only then is named */
    kiln_approx approx;
    kiln_layout layout;
    int64_t packed;
    int64_t lda, ldb, ldc;
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_layernorm_matmul_params;

KILN_API kiln_status kiln_create_layernorm_matmul_kernel(kiln_context *context,
                                                         const kiln_layernorm_matmul_params *params,
                                                         kiln_kernel **kernel);

/* c = rmsnorm(a) b, with bias=1 + bias; the norm is of a's rows and as in kiln_rmsnorm_params.
 * a[m,k] gamma[k] b[k,n] bias[n] c[m,n]; save_stats=1: also rstd[m] (f32) */
typedef struct kiln_rmsnorm_matmul_params {
    int64_t m, n, k;
    kiln_dtype dtype;
    double eps;          /* positive; 0: 1e-5 */
    int64_t unit_offset; /* 1: gamma + 1 in place of gamma */
    int64_t bias;        /* 1: bias is added */
    int64_t save_stats;  /* 1: rstd is stored too */
    kiln_layout layout;
    int64_t packed;
    int64_t lda, ldb, ldc;
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_rmsnorm_matmul_params;

KILN_API kiln_status kiln_create_rmsnorm_matmul_kernel(kiln_context *context,
                                                       const kiln_rmsnorm_matmul_params *params,
                                                       kiln_kernel **kernel);

/* q, k and v = a w, with bias=1 + bias, in one pass over a. w's columns, (heads + 2 kv_heads)
 * head_dim of them, are q's, then k's, then v's; layout nt: w[columns,k].
 * a[m,k] w[k,columns] bias[columns] q[m,heads*head_dim] k[m,kv_heads*head_dim] v (as k) */
typedef struct kiln_qkv_projection_params {
    int64_t m, k, heads, kv_heads, head_dim; /* the last three are given here, not at launch */
    kiln_dtype dtype;
    int64_t bias; /* 1: bias is added */
    kiln_layout layout;
    int64_t packed;
    int64_t lda, ldb; /* row lengths in elements of a and w as stored; 0: no padding */
    int64_t tile_size;
    kiln_compute compute;
    kiln_choice choice;
} kiln_qkv_projection_params;

KILN_API kiln_status kiln_create_qkv_projection_kernel(kiln_context *context,
                                                       const kiln_qkv_projection_params *params,
                                                       kiln_kernel **kernel);

/* ---- plans ------------------------------------------------------------------------------- */

/* A plan is an ordered list of launches over named tensors: a transformer's layer or a whole
 * training step. It is made without a device, launch by launch or from a model's shapes; it can be
 * rewritten by fusion, costed, and run. Whatever a launch needs to be known by follows from its
 * spec, whose dimensions are all literal.
 *
 * A plan is one thread's at a time; so is a prepared plan, but for what only reads. */
typedef struct kiln_plan kiln_plan;

typedef enum kiln_role {
    KILN_ROLE_TEMPORARY = 0, /* from its first writer to its last reader; its memory is reused */
    KILN_ROLE_INPUT = 1,     /* the caller's, before each run; no launch writes it */
    KILN_ROLE_PARAMETER = 2, /* a weight: the caller's at first, then as launches leave it */
    KILN_ROLE_STATE = 3,     /* the same of an optimiser's: master weights, moments */
    KILN_ROLE_OUTPUT = 4     /* written by a launch, the caller's after each run */
} kiln_role;

typedef enum kiln_phase {
    KILN_PHASE_FORWARD = 0,
    KILN_PHASE_BACKWARD = 1,
    KILN_PHASE_UPDATE = 2
} kiln_phase;

/* Released with kiln_release_plan; NULL is allowed there. */
KILN_API kiln_status kiln_create_plan(kiln_plan **plan);
KILN_API void kiln_release_plan(kiln_plan *plan);

/* A tensor is row-major, of rank 1 to KILN_MAX_RANK. Names are letters, digits, `_' and `.', and
 * are used once. */
KILN_API kiln_status kiln_plan_add_tensor(kiln_plan *plan, const char *name, kiln_dtype dtype,
                                          size_t rank, const int64_t *extents, kiln_role role);

/* Adds a launch at the end. args is one text, ARGUMENT=VALUE separated by blanks, in any order, for
 * every argument of the spec's kernel:
 *
 *     kiln_plan_add_launch(plan, "matmul m=48 n=64 k=256", "a=x b=w c=y");
 *     kiln_plan_add_launch(plan, "adamw n=16384", "g=dw param=w m=m v=v lr=lr beta1=0.9 ...");
 *
 * A buffer's value is a tensor, or TENSOR+OFFSET for a part of one from that element on: rows as
 * far apart as the spec's lda, ldb or ldc says, which is the tensor's row length. Without an offset
 * the argument is the whole tensor, and its extents are the tensor's, up to grouping: q[2,24,4,16]
 * is [48,64]. A scalar's value is a number, or the name of one that each run is given.
 *
 * KILN_INVALID_SPEC for the spec, KILN_INVALID_LAUNCH for the rest: an unknown, doubled or missing
 * argument, an unknown tensor, a dtype or an extent that disagrees (the dimension is named), a
 * tensor that is read before it is written, or written again by a launch that does not read it. */
KILN_API kiln_status kiln_plan_add_launch(kiln_plan *plan, const char *spec, const char *args);

/* Adds a step that fills a tensor with zeros. It counts as a launch, without a kernel. */
KILN_API kiln_status kiln_plan_add_zero(kiln_plan *plan, const char *tensor);

/* Says what the launches added from here on belong to: a layer by its number, or -1, and a phase.
 * At first -1 and forward. */
KILN_API kiln_status kiln_plan_mark(kiln_plan *plan, int64_t layer, kiln_phase phase);

/* ---- plans of models */

/* A transformer's shapes and parts. Zero-initialise, then set; texts are only read during the call.
 * A part that no kernel does is refused by name (KILN_UNSUPPORTED).
 *
 * Weights are [in, out] (y = x W). With a layer's number in N the tensors are
 *
 *     parameters  layerN.norm1.gamma .beta  .wq .wk .wv .wo  .bq .bk .bv .bo
 *                 layerN.norm2.gamma .beta  .w1 .b1 .w2 .b2
 *                 w1 is [hidden, 2 ffn] with swiglu: gate, then up
 *     a gradient  PARAMETER.grad, its moments .m and .v, its f32 master copy .master (if dtype is
 *                 not f32)
 *     one layer   layer0.*; inputs x and, for backward, dy [batch*seq, hidden]; outputs y, dx
 *     a model     table, pos_table, norm.gamma, norm.beta, head; inputs ids, targets [batch*seq]
 *     both        input positions [batch*seq] for rope and learned positions
 *
 * and each run is given the scalars grad_scale (of a model with backward) and, for the update,
 * max_norm, lr, beta1, beta2, eps, weight_decay (of matrices; other parameters do not decay) and
 * step. A model's outputs are loss, a token's each, and without backward logits; an update's is
 * sumsq[1], the sum of squares of all gradients. */
typedef struct kiln_model_params {
    int64_t layers; /* 0: one layer alone, without embedding, last norm and loss */
    int64_t batch, seq;
    int64_t hidden, ffn, heads;
    int64_t kv_heads;       /* 0: heads */
    int64_t head_dim;       /* 0: hidden/heads; heads*head_dim need not be hidden */
    int64_t vocab;          /* of a model */
    int64_t max_positions;  /* rows of pos_table; 0: seq */
    kiln_dtype dtype;       /* activations and weights */
    kiln_dtype grad_dtype;  /* of parameters' gradients; default f32 */
    const char *activation; /* gelu_tanh, gelu_erf, swiglu */
    const char *norm;       /* layernorm, rmsnorm */
    const char *bias;       /* none (or NULL), qkv, all */
    const char *positions;  /* none (or NULL), rope, alibi, learned */
    const char *rope_style; /* neox (or NULL), gptj */
    int64_t rotary_dim;     /* 0: head_dim */
    double rope_theta;      /* 0: 10000 */
    double eps;             /* of the norms; 0: 1e-5 */
    double scale;           /* of attention's scores; 0: head_dim^-0.5 */
    double softcap;         /* of attention's scores; 0: none */
    int64_t window;         /* of attention; 0: none */
    int64_t bidirectional;  /* 1: no causal mask */
    int64_t parallel;       /* 1: attention and feed-forward both off x, each by a norm of its own;
                               2: by one norm, norm1 */
    int64_t unit_offset;    /* 1: rmsnorm by 1 + gamma */
    int64_t tied;           /* 1: the head is table, transposed */
    int64_t backward;       /* 1: gradients of all parameters, and dx */
    int64_t update;         /* 1: grad_norm over all gradients, then adamw; needs backward */
    int64_t keep_gradients; /* 1: gradients are outputs although there is an update */
} kiln_model_params;

/* The unfused plan: base kernels only. *plan is released with kiln_release_plan. */
KILN_API kiln_status kiln_create_model_plan(const kiln_model_params *params, kiln_plan **plan);

/* ---- costs */

/* What a device does, for predictions. */
typedef struct kiln_device_rates {
    double copy_bytes;        /* a second, read and written, of a stream through memory */
    double product_flops;     /* a second, of a large matrix product */
    double elementwise_flops; /* a second, of GELU on data in cache */
    double launch_s;          /* of an empty launch */
    int64_t tile_columns;     /* of c, that one pass of a product over a covers: a fused prologue
                                 is computed anew for each */
} kiln_device_rates;

/* Measures dtype's rates, in about a second after the kernels are built. The queue is in order and
 * idle. */
KILN_API kiln_status kiln_measure_rates(kiln_context *context, cl_command_queue queue,
                                        kiln_dtype dtype, kiln_device_rates *rates);

typedef struct kiln_plan_cost {
    size_t launches;
    size_t layers;             /* that launches are marked with */
    double launches_per_layer; /* launches marked with a layer, over layers; 0 without layers */
    size_t distinct_kernels;   /* names */
    size_t distinct_specs;
    double bytes, flops;
    double elementwise_bytes; /* of bytes: all but the matrices of products and attention's tensors,
                                 that is what norms, biases, activations and updates move */
    double persistent_bytes;  /* inputs, parameters, states, outputs */
    double peak_bytes;        /* those and temporaries, laid out by lifetime */
    double unshared_bytes;    /* those and temporaries, each in memory of its own */
    double predicted_s;       /* 0 without rates: the sum over launches of max(bytes/copy_bytes,
                                 flops/rate), of launch_s, and of what prologues cost: their flops
                                 once for each tile of columns, a norm's one more reading of a */
} kiln_plan_cost;

/* rates: NULL for no prediction. */
KILN_API kiln_status kiln_get_plan_cost(const kiln_plan *plan, const kiln_device_rates *rates,
                                        kiln_plan_cost *cost);

/* ---- fusion */

/* Names of fusions, which are those of fused kernels, in the order in which they are tried. NULL
 * past the end. */
KILN_API const char *kiln_fusion_name(size_t index);

/* Rewrites the plan wherever one of the fusions fits. fusions is `none', `top3' (matmul_bias_gelu,
 * matmul_bias_residual, layernorm_matmul), `top5' (and qkv_projection, gelu_matmul), `all', or
 * names separated by commas. KILN_INVALID_ARGUMENT for a name that there is not.
 *
 * What is read later, as the backward pass does, is kept by the fused kernel where it has an output
 * for it (pre, mean, rstd). A norm or a GELU that goes into a product's prologue, and whose result
 * is read elsewhere, is computed again before its first reader there: the launch moves. Where
 * neither is possible the fusion is not applied at that place.
 *
 * With rates a fusion that is predicted to lose on that device is refused at that place; force
 * keeps it. Each refusal, each fusion that found no place, and each one kept by force leaves a
 * sentence (kiln_plan_note). After KILN_OUT_OF_MEMORY the plan may only be released. */
KILN_API kiln_status kiln_plan_fuse(kiln_plan *plan, const char *fusions,
                                    const kiln_device_rates *rates, int force);

/* The index-th sentence that the plan's fusion left, NULL past the end. Belongs to the plan, until
 * it is changed. */
KILN_API const char *kiln_plan_note(const kiln_plan *plan, size_t index);

/* ---- what a plan holds */

/* Strings belong to the plan and hold until it is changed. */
typedef struct kiln_plan_launch_info {
    const char *spec;   /* canonical; "zero" for kiln_plan_add_zero */
    const char *kernel; /* its name; "zero" */
    const char *args;   /* as kiln_plan_add_launch takes them */
    int64_t layer;      /* -1: none */
    kiln_phase phase;
    kiln_cost cost;
    double elementwise_bytes;
    double predicted_s; /* 0 without rates */
} kiln_plan_launch_info;

KILN_API size_t kiln_plan_num_launches(const kiln_plan *plan);
KILN_API kiln_status kiln_get_plan_launch_info(const kiln_plan *plan, size_t index,
                                               const kiln_device_rates *rates,
                                               kiln_plan_launch_info *info);

typedef struct kiln_plan_tensor_info {
    const char *name;
    kiln_dtype dtype;
    kiln_role role;
    size_t rank;
    int64_t extents[KILN_MAX_RANK];
    uint64_t bytes;     /* without padding */
    const char *stored; /* the tensor that holds it: itself, or the one that fusion merged it into,
                           as wq, wk and wv into wqkv */
    int64_t offset;     /* elements from stored's start */
    int64_t row_stride; /* elements from row to row there */
    size_t first, last; /* launches that touch it; first > last: none */
} kiln_plan_tensor_info;

/* Tensors in the order in which they were added, merged ones among them. */
KILN_API size_t kiln_plan_num_tensors(const kiln_plan *plan);
KILN_API kiln_status kiln_get_plan_tensor_info(const kiln_plan *plan, size_t index,
                                               kiln_plan_tensor_info *info);
KILN_API kiln_status kiln_find_plan_tensor(const kiln_plan *plan, const char *name,
                                           kiln_plan_tensor_info *info);

/* The names of the scalars that each run is given, NULL past the end. */
KILN_API const char *kiln_plan_scalar(const kiln_plan *plan, size_t index);

/* ---- running a plan */

/* A plan with its kernels and memory on a device. */
typedef struct kiln_prepared_plan kiln_prepared_plan;

/* Lays the tensors out, makes the kernels, allocates. The plan is copied as far as it is needed.
 * Temporaries share memory where their lifetimes allow; every other tensor has a buffer of its own,
 * whose content is undefined at first.
 *
 * KILN_INVALID_ARGUMENT if an output is never written; KILN_UNSUPPORTED if the tensors need more
 * memory than the device has (CL_DEVICE_GLOBAL_MEM_SIZE), or one more than it gives at once
 * (CL_DEVICE_MAX_MEM_ALLOC_SIZE): found before anything is made, with both numbers. What a launch
 * takes as scratch is not in the sum. */
KILN_API kiln_status kiln_prepare_plan(kiln_context *context, const kiln_plan *plan,
                                       kiln_prepared_plan **prepared);

/* Waits for nothing: OpenCL keeps buffers until the commands that use them are over. NULL is
 * allowed. */
KILN_API void kiln_release_prepared_plan(kiln_prepared_plan *prepared);

/* Where a tensor's elements are: row r begins at offset + r row_stride size bytes of buffer, which
 * belongs to the prepared plan. A temporary's memory holds it during its life only. */
typedef struct kiln_tensor_place {
    cl_mem buffer;
    size_t offset;     /* bytes */
    size_t rows;       /* all extents but the last, multiplied */
    size_t row_bytes;  /* of one row's elements */
    size_t row_stride; /* bytes from row to row; row_bytes unless the tensor was merged */
} kiln_tensor_place;

KILN_API kiln_status kiln_prepared_tensor(const kiln_prepared_plan *prepared, const char *name,
                                          kiln_tensor_place *place);

/* Writes a tensor from, or reads it into, dense memory of so many bytes, its whole size; merged
 * tensors too. Waits. The queue is in order, or idle. */
KILN_API kiln_status kiln_write_tensor(kiln_prepared_plan *prepared, cl_command_queue queue,
                                       const char *name, const void *data, size_t bytes);
KILN_API kiln_status kiln_read_tensor(kiln_prepared_plan *prepared, cl_command_queue queue,
                                      const char *name, void *data, size_t bytes);

/* Enqueues every launch, in order. scalars are every scalar of the plan (kiln_scalar,
 * kiln_scalar_int). On an out-of-order queue the launches wait for one another by events; and a run
 * waits for the run before it, whatever its queue. wait_list and event as in kiln_launch. After a
 * failure some launches may be enqueued. */
KILN_API kiln_status kiln_run_plan(kiln_prepared_plan *prepared, cl_command_queue queue,
                                   const kiln_arg *scalars, size_t num_scalars, cl_uint num_wait,
                                   const cl_event *wait_list, cl_event *event);

/* The same, and waits: seconds[i] gets the time that launch i took, from its events. The queue has
 * CL_QUEUE_PROFILING_ENABLE; seconds has kiln_plan_num_launches. */
KILN_API kiln_status kiln_time_plan(kiln_prepared_plan *prepared, cl_command_queue queue,
                                    const kiln_arg *scalars, size_t num_scalars, double *seconds);

#ifdef __cplusplus
}
#endif

#endif
