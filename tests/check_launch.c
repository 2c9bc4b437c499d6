/* Launches that are refused, each with its sentence and without a trace; events and waiting. */
#include "support.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A good launch with its buffers written, and a copy of its arguments to be spoilt. */
typedef struct subject {
    test_case c;
    test_launch launch;
    kiln_arg args[2 * TEST_MAX_TENSORS];
    size_t num_args;
} subject;

static void restore(subject *s)
{
    memcpy(s->args, s->launch.args, sizeof s->args);
    s->num_args = s->launch.num_args;
}

static void begin(subject *s, const char *spec, const char *args)
{
    kiln_kernel *kernel;
    test_ok(kiln_create_kernel(test_context, spec, &kernel));
    s->c = (test_case){.spec = spec, .args = args, .misalign = 1, .once = true};
    test_prepare(&s->c, kernel, &s->launch);
    test_upload(&s->launch);
    restore(s);
}

/* Index of the argument of this name. */
static size_t at(const subject *s, const char *name)
{
    size_t i = 0;
    while (i < s->num_args && strcmp(s->args[i].name, name) != 0)
        i++;
    ck_assert_msg(i < s->num_args, "no argument %s", name);
    return i;
}

static void drop(subject *s, const char *name)
{
    size_t i = at(s, name);
    s->num_args--;
    memmove(&s->args[i], &s->args[i + 1], (s->num_args - i) * sizeof *s->args);
}

static void add(subject *s, kiln_arg arg)
{
    s->args[s->num_args++] = arg;
}

/* The spoilt arguments are refused so, nothing is enqueued, no event is given. */
static void refused_on(subject *s, int line, cl_command_queue queue, kiln_status status,
                       const char *parts)
{
    cl_event none = (cl_event)&none, event = none;
    kiln_status got = kiln_launch(s->launch.kernel, queue, s->args, s->num_args, 0, NULL, &event);
    test_refused_at(__FILE__, line, got, status, parts);
    ck_assert_msg(event == none || event == NULL, "line %d: an event was given", line);
    clFinish(test_queue);
    test_download(&s->launch);
    test_check_untouched(&s->launch, true);
    restore(s);
}

#define REFUSED(s, status, parts) refused_on(s, __LINE__, test_queue, status, parts)
#define BAD_LAUNCH(s, parts)      REFUSED(s, KILN_INVALID_LAUNCH, parts)

/* The arguments, spoilt or not, are fine, and so is what comes out. */
static void accepted(subject *s)
{
    test_ok(kiln_launch(s->launch.kernel, test_queue, s->args, s->num_args, 0, NULL, NULL));
    ck_assert_int_eq(clFinish(test_queue), CL_SUCCESS);
    restore(s);
}

/* The good launch works still. */
static void end(subject *s)
{
    test_execute(&s->launch);
    test_check_untouched(&s->launch, false);
    test_check_values(&s->launch);
    test_discard(&s->launch);
}

static cl_mem new_buffer(cl_context context, cl_mem_flags flags, size_t size)
{
    cl_int code;
    cl_mem buffer = clCreateBuffer(context, flags, size, NULL, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    return buffer;
}

#define PRODUCT "matmul m=? n=? k=? tile_size=16"
#define SIZES   "m=5 n=7 k=3"

/* ---- dimensions -------------------------------------------------------------------------- */

START_TEST(test_dimensions)
{
    static const struct {
        int64_t value;
        const char *parts;
    } bad[] = {
        {0, "m=0: must be from 1 to 2147483647"},
        {-1, "m=-1: must be from 1 to 2147483647"},
        {INT64_MIN, "must be from 1 to 2147483647"},
        {INT64_C(1) << 31, "m=2147483648: must be from 1"},
        {INT64_MAX, "m=9223372036854775807: must be from 1"},
        {6, "needs 72 bytes|matmul: a"},
        {INT32_MAX, "matmul: a needs 25769803764 bytes"},
    };
    subject s;
    begin(&s, PRODUCT, SIZES);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s.args[at(&s, "m")].integer = bad[i].value;
        if (bad[i].value == 6) /* the buffers have guards behind them: leave a no room for a row */
            s.args[at(&s, "a")].offset = s.launch.tensors[0].size - 60;
        BAD_LAUNCH(&s, bad[i].parts);
    }
    /* All at their largest: numbers of bytes beyond 2^62, which no product may wrap. */
    s.args[at(&s, "m")].integer = s.args[at(&s, "n")].integer = s.args[at(&s, "k")].integer =
        INT32_MAX;
    BAD_LAUNCH(&s, "matmul: ");
    drop(&s, "k");
    BAD_LAUNCH(&s, "the launch-time dimension k is not given");
    add(&s, kiln_dim("n", 7));
    BAD_LAUNCH(&s, "n is given twice");
    add(&s, kiln_dim("nn", 7));
    BAD_LAUNCH(&s, "no launch-time dimension `nn'");
    add(&s, kiln_dim(NULL, 7));
    BAD_LAUNCH(&s, "has no name");
    end(&s);
}
END_TEST

START_TEST(test_fixed_dimension)
{
    subject s;
    begin(&s, "bias_add m=? n=7", "m=5");
    add(&s, kiln_dim("n", 7));
    BAD_LAUNCH(&s, "n is fixed at 7|n=?");
    add(&s, kiln_dim("k", 7));
    BAD_LAUNCH(&s, "no launch-time dimension `k'");
    end(&s);
}
END_TEST

START_TEST(test_row_length)
{
    subject s;
    begin(&s, "matmul m=? n=? k=? lda=8 tile_size=16", "m=5 n=7 k=8");
    s.args[at(&s, "k")].integer = 9;
    BAD_LAUNCH(&s, "lda=8: must be at least the row length of a, 9");
    end(&s);
}
END_TEST

/* ---- names and kinds --------------------------------------------------------------------- */

START_TEST(test_names)
{
    subject s;
    begin(&s, "bias_add m=? n=?", "m=5 n=7");
    drop(&s, "bias");
    BAD_LAUNCH(&s, "bias_add|argument bias is missing");
    add(&s, s.args[at(&s, "x")]);
    BAD_LAUNCH(&s, "x is given twice");
    s.args[at(&s, "bias")].name = "bais";
    BAD_LAUNCH(&s, "no argument `bais'|did you mean `bias'|x, bias, y, m, n");
    s.args[at(&s, "x")].name = NULL;
    BAD_LAUNCH(&s, "has no name");
    add(&s, kiln_scalar("x", 1.0));
    drop(&s, "x");
    BAD_LAUNCH(&s, "x is a buffer, not a scalar");
    drop(&s, "m");
    add(&s, kiln_buffer("m", s.launch.tensors[0].buffer));
    BAD_LAUNCH(&s, "m is a dimension, not a buffer");
    drop(&s, "x");
    add(&s, kiln_dim("x", 3));
    BAD_LAUNCH(&s, "x");
    s.args[at(&s, "x")].kind = (kiln_arg_kind)77;
    BAD_LAUNCH(&s, "x");
    s.num_args = 0;
    BAD_LAUNCH(&s, "is missing");
    end(&s);
}
END_TEST

START_TEST(test_null)
{
    subject s;
    begin(&s, "bias_add m=? n=?", "m=5 n=7");
    test_refused(kiln_launch(NULL, test_queue, s.args, s.num_args, 0, NULL, NULL),
                 KILN_INVALID_ARGUMENT, "kernel is NULL");
    test_refused(kiln_launch(s.launch.kernel, test_queue, NULL, s.num_args, 0, NULL, NULL),
                 KILN_INVALID_ARGUMENT, "args is NULL|5");
    refused_on(&s, __LINE__, NULL, KILN_INVALID_LAUNCH, "queue is NULL");
    s.args[at(&s, "bias")].buffer = NULL;
    BAD_LAUNCH(&s, "the buffer bias is NULL");
    end(&s);
}
END_TEST

/* ---- buffers ----------------------------------------------------------------------------- */

START_TEST(test_sizes)
{
    subject s;
    begin(&s, PRODUCT, SIZES);
    cl_context context = kiln_context_cl(test_context);
    static const char *const names[] = {"a", "b", "c"};
    static const size_t elements[] = {15, 21, 35};
    for (size_t i = 0; i < 3; i++) {
        size_t exact = elements[i] * 4;
        cl_mem fits = new_buffer(context, 0, exact), small = new_buffer(context, 0, exact - 4);
        cl_mem wide = new_buffer(context, 0, exact + 12);
        kiln_arg *arg = &s.args[at(&s, names[i])];
        *arg = kiln_buffer(names[i], small);
        BAD_LAUNCH(&s, test_format("%s needs %zu bytes behind offset 0; its buffer has %zu",
                                   names[i], exact, exact - 4));
        *arg = kiln_buffer_at(names[i], fits, 4);
        BAD_LAUNCH(&s, test_format("%s needs %zu bytes behind offset 4", names[i], exact));
        *arg = kiln_buffer_at(names[i], fits, exact + 4);
        BAD_LAUNCH(&s, test_format("behind offset %zu; its buffer has %zu", exact + 4, exact));
        *arg = kiln_buffer_at(names[i], fits, SIZE_MAX - 3);
        BAD_LAUNCH(&s, test_format("behind offset %zu", SIZE_MAX - 3));
        *arg = kiln_buffer_at(names[i], wide, 6);
        BAD_LAUNCH(&s, "offset 6 must be a multiple of the element's 4 bytes");
        *arg = kiln_buffer(names[i], fits);
        accepted(&s);
        *arg = kiln_buffer_at(names[i], wide, 12);
        accepted(&s);
        test_upload(&s.launch); /* the accepted wrote c */
        clReleaseMemObject(fits);
        clReleaseMemObject(small);
        clReleaseMemObject(wide);
    }
    end(&s);
}
END_TEST

START_TEST(test_offset_of_halves)
{
    subject s;
    begin(&s, "gelu m=? n=? approx=tanh dtype=f16", "m=3 n=5");
    s.args[at(&s, "x")].offset++;
    BAD_LAUNCH(&s, "x|must be a multiple of the element's 2 bytes");
    end(&s);
}
END_TEST

START_TEST(test_flags)
{
    subject s;
    begin(&s, PRODUCT, SIZES);
    cl_context context = kiln_context_cl(test_context);
    cl_mem read_only = new_buffer(context, CL_MEM_READ_ONLY, 1000);
    cl_mem write_only = new_buffer(context, CL_MEM_WRITE_ONLY, 1000);
    s.args[at(&s, "c")] = kiln_buffer("c", read_only);
    BAD_LAUNCH(&s, "c is written, but its buffer is read-only");
    s.args[at(&s, "b")] = kiln_buffer("b", write_only);
    BAD_LAUNCH(&s, "b is read, but its buffer is write-only");
    s.args[at(&s, "b")] = kiln_buffer("b", read_only);
    s.args[at(&s, "c")] = kiln_buffer("c", write_only);
    accepted(&s);
    end(&s);
    begin(&s, "matmul m=? n=? k=? accumulate=1 tile_size=16", SIZES);
    s.args[at(&s, "c")] = kiln_buffer("c", write_only);
    BAD_LAUNCH(&s, "c is read, but its buffer is write-only");
    end(&s);
    clReleaseMemObject(read_only);
    clReleaseMemObject(write_only);
}
END_TEST

START_TEST(test_other_context)
{
    subject s;
    begin(&s, "bias_add m=? n=?", "m=5 n=7");
    cl_device_id device = kiln_context_device(test_context);
    cl_int code;
    cl_context other = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    cl_command_queue queue = clCreateCommandQueue(other, device, 0, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    cl_mem buffer = new_buffer(other, 0, 1000);
    refused_on(&s, __LINE__, queue, KILN_INVALID_LAUNCH, "the queue is of another context");
    s.args[at(&s, "x")] = kiln_buffer("x", buffer);
    BAD_LAUNCH(&s, "x is a buffer of another context");
    s.args[at(&s, "y")] = kiln_buffer("y", buffer);
    BAD_LAUNCH(&s, "y is a buffer of another context");
    clReleaseMemObject(buffer);
    clReleaseCommandQueue(queue);
    clReleaseContext(other);
    end(&s);
}
END_TEST

/* ---- overlap ----------------------------------------------------------------------------- */

START_TEST(test_overlap)
{
    subject s;
    begin(&s, PRODUCT, SIZES);
    cl_mem buffer = new_buffer(kiln_context_cl(test_context), 0, 4096);
    s.args[at(&s, "a")] = kiln_buffer_at("a", buffer, 0);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 56); /* a's last element */
    BAD_LAUNCH(&s, "c, which is written, overlaps a|bytes 56 to 196 and 0 to 60");
    s.args[at(&s, "a")] = kiln_buffer_at("a", buffer, 0);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 0);
    BAD_LAUNCH(&s, "c, which is written, overlaps a");
    s.args[at(&s, "a")] = kiln_buffer_at("a", buffer, 136);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 0); /* its last element */
    BAD_LAUNCH(&s, "overlaps a");
    /* Side by side is fine, and so are inputs on one another. */
    s.args[at(&s, "a")] = kiln_buffer_at("a", buffer, 0);
    s.args[at(&s, "b")] = kiln_buffer_at("b", buffer, 0);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 84);
    accepted(&s);
    s.args[at(&s, "a")] = kiln_buffer_at("a", buffer, 140);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 0);
    accepted(&s);
    clReleaseMemObject(buffer);
    end(&s);
}
END_TEST

START_TEST(test_overlap_of_sub_buffers)
{
    subject s;
    begin(&s, PRODUCT, SIZES);
    cl_uint align_bits = 0;
    clGetDeviceInfo(kiln_context_device(test_context), CL_DEVICE_MEM_BASE_ADDR_ALIGN,
                    sizeof align_bits, &align_bits, NULL);
    size_t align = align_bits / 8 > 256 ? align_bits / 8 : 256;
    cl_mem whole = new_buffer(kiln_context_cl(test_context), 0, 4 * align);
    cl_buffer_region low = {0, 2 * align}, high = {align, 2 * align};
    cl_int code, also;
    cl_mem first = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &low, &code);
    cl_mem second = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &high, &also);
    ck_assert(code == CL_SUCCESS && also == CL_SUCCESS);
    s.args[at(&s, "a")] = kiln_buffer_at("a", first, align);
    s.args[at(&s, "c")] = kiln_buffer_at("c", second, 0);
    BAD_LAUNCH(
        &s, test_format("c, which is written, overlaps a (bytes %zu to %zu", align, align + 140));
    s.args[at(&s, "a")] = kiln_buffer_at("a", whole, align + 136);
    s.args[at(&s, "c")] = kiln_buffer_at("c", second, 0);
    BAD_LAUNCH(&s, "c, which is written, overlaps a");
    s.args[at(&s, "a")] = kiln_buffer_at("a", first, align - 60);
    s.args[at(&s, "c")] = kiln_buffer_at("c", second, 0);
    accepted(&s);
    /* A sub-buffer ends before its parent. */
    s.args[at(&s, "c")] = kiln_buffer_at("c", second, 2 * align - 136);
    BAD_LAUNCH(&s, "c needs 140 bytes");
    clReleaseMemObject(first);
    clReleaseMemObject(second);
    clReleaseMemObject(whole);
    end(&s);
}
END_TEST

START_TEST(test_in_place)
{
    subject s;
    begin(&s, "bias_add m=? n=?", "m=1 n=7");
    cl_mem buffer = new_buffer(kiln_context_cl(test_context), 0, 4096);
    s.args[at(&s, "y")].buffer = s.args[at(&s, "bias")].buffer;
    s.args[at(&s, "y")].offset = s.args[at(&s, "bias")].offset;
    BAD_LAUNCH(&s, "y, which is written, overlaps bias");
    s.args[at(&s, "x")] = kiln_buffer_at("x", buffer, 0);
    s.args[at(&s, "y")] = kiln_buffer_at("y", buffer, 4); /* shifted by one */
    BAD_LAUNCH(&s, "y, which is written, overlaps x");
    s.args[at(&s, "x")] = kiln_buffer_at("x", buffer, 8);
    s.args[at(&s, "y")] = kiln_buffer_at("y", buffer, 8);
    accepted(&s);
    end(&s);

    begin(&s, "matmul_bias_residual m=? n=? k=? tile_size=16", SIZES);
    s.args[at(&s, "residual")] = kiln_buffer_at("residual", buffer, 0);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 4);
    BAD_LAUNCH(&s, "c, which is written, overlaps residual");
    s.args[at(&s, "residual")] = kiln_buffer_at("residual", buffer, 4);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 4);
    accepted(&s);
    s.args[at(&s, "bias")] = kiln_buffer_at("bias", buffer, 4);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 4);
    BAD_LAUNCH(&s, "c, which is written, overlaps bias");
    end(&s);

    begin(&s, "matmul_bias_gelu m=? n=? k=? approx=tanh save_pre=1 tile_size=16", SIZES);
    s.args[at(&s, "pre")] = kiln_buffer_at("pre", buffer, 4);
    s.args[at(&s, "c")] = kiln_buffer_at("c", buffer, 4);
    BAD_LAUNCH(&s, "which is written, overlaps");
    end(&s);
    clReleaseMemObject(buffer);
}
END_TEST

/* ---- events ------------------------------------------------------------------------------ */

static cl_int state_of(cl_event event)
{
    cl_int state = -1;
    ck_assert_int_eq(
        clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL),
        CL_SUCCESS);
    return state;
}

START_TEST(test_event)
{
    subject s;
    begin(&s, PRODUCT, SIZES);
    cl_event event = NULL;
    test_ok(kiln_launch(s.launch.kernel, test_queue, s.args, s.num_args, 0, NULL, &event));
    ck_assert_ptr_nonnull(event);
    ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
    test_download(&s.launch);
    test_check_untouched(&s.launch, false);
    test_check_values(&s.launch);
    cl_command_type type = 0;
    cl_command_queue queue = NULL;
    cl_uint references = 0;
    cl_ulong start = 0, stop = 0;
    clGetEventInfo(event, CL_EVENT_COMMAND_TYPE, sizeof type, &type, NULL);
    clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof queue, &queue, NULL);
    clGetEventInfo(event, CL_EVENT_REFERENCE_COUNT, sizeof references, &references, NULL);
    ck_assert_uint_eq(type, CL_COMMAND_NDRANGE_KERNEL);
    ck_assert_ptr_eq(queue, test_queue);
    ck_assert_uint_eq(references, 1);
    ck_assert_int_eq(
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL),
        CL_SUCCESS);
    ck_assert_int_eq(
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof stop, &stop, NULL),
        CL_SUCCESS);
    ck_assert(start > 0 && stop >= start);
    clReleaseEvent(event);
    end(&s);
}
END_TEST

static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){0, 50000000}, NULL);
}

/* A launch waits for a user's event, on either queue; meanwhile its kernel may go. */
START_TEST(test_wait_list)
{
    cl_command_queue queue = _i ? test_queue_out_of_order : test_queue;
    subject s;
    begin(&s, PRODUCT, SIZES);
    cl_int code;
    cl_event gates[2] = {clCreateUserEvent(kiln_context_cl(test_context), &code),
                         clCreateUserEvent(kiln_context_cl(test_context), &code)};
    cl_event event;
    test_ok(kiln_launch(s.launch.kernel, queue, s.args, s.num_args, 2, gates, &event));
    kiln_release_kernel(s.launch.kernel);
    memset(s.args, 0, sizeof s.args);
    clFlush(queue);
    clSetUserEventStatus(gates[1], CL_COMPLETE);
    wait_a_moment();
    ck_assert_int_gt(state_of(event), CL_COMPLETE);
    clSetUserEventStatus(gates[0], CL_COMPLETE);
    ck_assert_int_eq(clWaitForEvents(1, &event), CL_SUCCESS);
    test_download(&s.launch);
    test_check_untouched(&s.launch, false);
    test_check_values(&s.launch);
    clReleaseEvent(event);
    clReleaseEvent(gates[0]);
    clReleaseEvent(gates[1]);
    test_ok(kiln_create_kernel(test_context, PRODUCT, &s.launch.kernel));
    end(&s);
}
END_TEST

/* Out of order, a chain of launches is kept together by events alone. */
START_TEST(test_chain_of_events)
{
    kiln_kernel *kernel;
    test_ok(kiln_create_kernel(test_context, "bias_add m=? n=?", &kernel));
    enum { N = 4096, STEPS = 40 };
    cl_context context = kiln_context_cl(test_context);
    static float values[N], ones[N];
    for (int i = 0; i < N; i++) {
        values[i] = (float)i;
        ones[i] = 1.0f;
    }
    cl_mem x = new_buffer(context, 0, sizeof values), y = new_buffer(context, 0, sizeof values);
    cl_mem bias = new_buffer(context, 0, sizeof ones);
    clEnqueueWriteBuffer(test_queue, x, CL_TRUE, 0, sizeof values, values, 0, NULL, NULL);
    clEnqueueWriteBuffer(test_queue, bias, CL_TRUE, 0, sizeof ones, ones, 0, NULL, NULL);
    cl_event previous = NULL;
    for (int i = 0; i < STEPS; i++) {
        kiln_arg args[] = {kiln_dim("m", 1), kiln_dim("n", N), kiln_buffer("bias", bias),
                           kiln_buffer("x", i % 2 ? y : x), kiln_buffer("y", i % 2 ? x : y)};
        cl_event next;
        test_ok(kiln_launch(kernel, test_queue_out_of_order, args, 5, previous ? 1 : 0,
                            previous ? &previous : NULL, &next));
        if (previous)
            clReleaseEvent(previous);
        previous = next;
    }
    ck_assert_int_eq(clEnqueueReadBuffer(test_queue_out_of_order, x, CL_TRUE, 0, sizeof values,
                                         values, 1, &previous, NULL),
                     CL_SUCCESS);
    for (int i = 0; i < N; i++)
        ck_assert_msg(values[i] == (float)(i + STEPS), "element %d is %g", i, (double)values[i]);
    clReleaseEvent(previous);
    clReleaseMemObject(x);
    clReleaseMemObject(y);
    clReleaseMemObject(bias);
    kiln_release_kernel(kernel);
}
END_TEST

START_TEST(test_wait_list_mismatch)
{
    subject s;
    begin(&s, PRODUCT, SIZES);
    cl_int code;
    cl_event gate = clCreateUserEvent(kiln_context_cl(test_context), &code);
    cl_event none = (cl_event)&none, event = none;
    test_refused(kiln_launch(s.launch.kernel, test_queue, s.args, s.num_args, 1, NULL, &event),
                 KILN_INVALID_ARGUMENT, "wait_list|num_wait is 1");
    test_refused(kiln_launch(s.launch.kernel, test_queue, s.args, s.num_args, 0, &gate, &event),
                 KILN_INVALID_ARGUMENT, "wait_list|num_wait is 0");
    cl_event with_null[2] = {gate, NULL};
    test_refused(kiln_launch(s.launch.kernel, test_queue, s.args, s.num_args, 2, with_null, &event),
                 KILN_INVALID_ARGUMENT, "event 1 of the wait list is NULL");
    cl_device_id device = kiln_context_device(test_context);
    cl_context other = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    cl_event foreign = clCreateUserEvent(other, &code);
    test_refused(kiln_launch(s.launch.kernel, test_queue, s.args, s.num_args, 1, &foreign, &event),
                 KILN_INVALID_ARGUMENT, "event 0 of the wait list is of another context");
    clSetUserEventStatus(foreign, CL_COMPLETE);
    clReleaseEvent(foreign);
    clReleaseContext(other);
    ck_assert(event == none || event == NULL);
    clSetUserEventStatus(gate, CL_COMPLETE);
    clReleaseEvent(gate);
    test_download(&s.launch);
    test_check_untouched(&s.launch, true);
    end(&s);
}
END_TEST

/* ---- sizes and costs --------------------------------------------------------------------- */

static kiln_arg_info info_of(const kiln_kernel *kernel, const char *name, const kiln_arg *dims,
                             size_t num_dims)
{
    kiln_kernel_info about;
    test_ok(kiln_get_kernel_info(kernel, &about));
    kiln_arg_info info = {0};
    for (size_t i = 0; i < about.num_args; i++) {
        test_ok(kiln_get_arg_info(kernel, i, dims, num_dims, &info));
        if (strcmp(info.name, name) == 0)
            return info;
    }
    ck_abort_msg("no argument %s", name);
    return info;
}

static void check_info(kiln_arg_info info, kiln_dtype dtype, int input, int output, int64_t rows,
                       int64_t cols, int64_t stride, size_t bytes)
{
    ck_assert_int_eq(info.kind, KILN_ARG_BUFFER);
    ck_assert_int_eq(info.dtype, dtype);
    ck_assert_int_eq(info.is_input, input);
    ck_assert_int_eq(info.is_output, output);
    ck_assert_uint_eq(info.rank, rows ? 2 : 1);
    if (rows)
        ck_assert_int_eq(info.extents[0], rows);
    ck_assert_int_eq(info.extents[info.rank - 1], cols);
    ck_assert_int_eq(info.row_stride, stride);
    ck_assert_uint_eq(info.bytes, bytes);
}

START_TEST(test_arg_info)
{
    kiln_kernel *kernel;
    kiln_arg_info info, untouched;
    test_ok(kiln_create_kernel(test_context,
                               "matmul_bias_gelu m=? n=10 k=7 dtype=bf16 approx=none save_pre=1 "
                               "layout=nt ldb=9 ldc=12 tile_size=16",
                               &kernel));
    /* Buffers among the dimensions are passed over. */
    kiln_arg dims[] = {kiln_buffer("a", NULL), kiln_dim("m", 4), kiln_scalar("lr", 1)};
    check_info(info_of(kernel, "a", dims, 3), KILN_BF16, 1, 0, 4, 7, 7, 56);
    check_info(info_of(kernel, "b", dims, 3), KILN_BF16, 1, 0, 10, 7, 9, (9 * 9 + 7) * 2);
    check_info(info_of(kernel, "bias", dims, 3), KILN_BF16, 1, 0, 0, 10, 10, 20);
    check_info(info_of(kernel, "c", dims, 3), KILN_BF16, 0, 1, 4, 10, 12, (3 * 12 + 10) * 2);
    check_info(info_of(kernel, "pre", dims, 3), KILN_BF16, 0, 1, 4, 10, 12, (3 * 12 + 10) * 2);
    ck_assert_int_eq(info_of(kernel, "m", dims, 3).kind, KILN_ARG_DIM);
    kiln_kernel_info about;
    test_ok(kiln_get_kernel_info(kernel, &about));
    ck_assert_uint_eq(about.num_args, 6);
    memset(&info, 0x5a, sizeof info);
    untouched = info;
    test_refused(kiln_get_arg_info(kernel, 6, dims, 3, &info), KILN_INVALID_ARGUMENT,
                 "matmul_bias_gelu has 6 arguments");
    test_refused(kiln_get_arg_info(kernel, SIZE_MAX, dims, 3, &info), KILN_INVALID_ARGUMENT, "6");
    test_refused(kiln_get_arg_info(kernel, 0, NULL, 0, &info), KILN_INVALID_LAUNCH,
                 "the launch-time dimension m is not given");
    dims[1].integer = 0;
    test_refused(kiln_get_arg_info(kernel, 0, dims, 3, &info), KILN_INVALID_LAUNCH, "m=0");
    test_refused(kiln_get_arg_info(kernel, 0, NULL, 3, &info), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_get_arg_info(NULL, 0, dims, 3, &info), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_get_arg_info(kernel, 0, dims, 3, NULL), KILN_INVALID_ARGUMENT, "NULL");
    ck_assert_msg(memcmp(&info, &untouched, sizeof info) == 0, "a failure wrote its output");
    kiln_release_kernel(kernel);

    test_ok(kiln_create_kernel(test_context,
                               "batched_matmul batch=3 m=5 n=2 k=4 trans_a=1 accumulate=1 lda=6 "
                               "dtype=f16 out_dtype=f32 tile_size=16",
                               &kernel));
    info = info_of(kernel, "a", NULL, 0);
    ck_assert_uint_eq(info.rank, 3);
    ck_assert_int_eq(info.extents[0], 3);
    ck_assert_int_eq(info.extents[1], 4);
    ck_assert_int_eq(info.extents[2], 5);
    ck_assert_int_eq(info.row_stride, 6);
    ck_assert_uint_eq(info.bytes, (11 * 6 + 5) * 2);
    info = info_of(kernel, "c", NULL, 0);
    ck_assert_int_eq(info.dtype, KILN_F32);
    ck_assert(info.is_input && info.is_output);
    ck_assert_uint_eq(info.bytes, 3 * 5 * 2 * 4);
    kiln_release_kernel(kernel);
}
END_TEST

START_TEST(test_cost)
{
    static const struct {
        const char *spec;
        double flops, bytes;
    } known[] = {
        {"matmul m=? n=5 k=7", 2 * 3 * 5 * 7, 4 * (21 + 35 + 15)},
        {"matmul_tn m=? n=5 k=7 dtype=bf16 out_dtype=f32", 210, 2 * (21 + 35) + 4 * 15},
        {"matmul_nt m=? n=5 k=7 accumulate=1 lda=100", 210 + 15, 4 * (21 + 35 + 30)},
        {"batched_matmul batch=4 m=? n=5 k=7 dtype=f16", 840, 4 * 2 * (21 + 35 + 15)},
        {"bias_add m=? n=5 dtype=f16", 15, 2 * (15 + 5 + 15)},
        {"residual_add m=? n=5", 15, 4 * 45},
        {"gelu m=? n=5 approx=tanh", 8 * 15, 4 * 30},
        {"gelu m=? n=5 approx=none", 5 * 15, 4 * 30},
        {"matmul_bias_gelu m=? n=5 k=7 approx=tanh save_pre=1", 210 + 15 + 120,
         4 * (21 + 35 + 5 + 30)},
        {"matmul_bias_residual m=? n=5 k=7 layout=nt", 210 + 30, 4 * (21 + 35 + 5 + 30)},
    };
    kiln_kernel *kernel;
    kiln_arg m = kiln_dim("m", 3);
    for (size_t i = 0; i < sizeof known / sizeof *known; i += test_quick() ? 3 : 1) {
        kiln_cost cost = {-1, -1};
        test_ok(
            kiln_create_kernel(test_context,
                               test_format("%s%s", known[i].spec,
                                           strstr(known[i].spec, "matmul") ? " tile_size=16" : ""),
                               &kernel));
        test_ok(kiln_get_cost(kernel, &m, 1, &cost));
        ck_assert_msg(cost.flops == known[i].flops && cost.bytes == known[i].bytes,
                      "%s: %g flops and %g bytes, not %g and %g", known[i].spec, cost.flops,
                      cost.bytes, known[i].flops, known[i].bytes);
        test_refused(kiln_get_cost(kernel, NULL, 0, &cost), KILN_INVALID_LAUNCH,
                     "the launch-time dimension m is not given");
        test_refused(kiln_get_cost(kernel, &m, 1, NULL), KILN_INVALID_ARGUMENT, "NULL");
        ck_assert(cost.flops == known[i].flops);
        kiln_release_kernel(kernel);
    }
    test_refused(kiln_get_cost(NULL, &m, 1, &(kiln_cost){0, 0}), KILN_INVALID_ARGUMENT, "NULL");
    /* Beyond what integers hold. */
    test_ok(kiln_create_kernel(test_context, PRODUCT, &kernel));
    kiln_arg large[] = {kiln_dim("m", INT32_MAX), kiln_dim("n", INT32_MAX),
                        kiln_dim("k", INT32_MAX)};
    kiln_cost cost;
    test_ok(kiln_get_cost(kernel, large, 3, &cost));
    ck_assert(cost.flops > 1.97e28 && cost.flops < 1.99e28 && cost.bytes > 5.5e19);
    kiln_release_kernel(kernel);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("launch");
    TCase *tests = tcase_create("launch");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_dimensions);
    tcase_add_test(tests, test_fixed_dimension);
    tcase_add_test(tests, test_row_length);
    tcase_add_test(tests, test_names);
    tcase_add_test(tests, test_null);
    tcase_add_test(tests, test_sizes);
    tcase_add_test(tests, test_offset_of_halves);
    tcase_add_test(tests, test_flags);
    tcase_add_test(tests, test_other_context);
    tcase_add_test(tests, test_overlap);
    tcase_add_test(tests, test_overlap_of_sub_buffers);
    tcase_add_test(tests, test_in_place);
    tcase_add_test(tests, test_event);
    tcase_add_loop_test(tests, test_wait_list, 0, 2);
    tcase_add_test(tests, test_chain_of_events);
    tcase_add_test(tests, test_wait_list_mismatch);
    tcase_add_test(tests, test_arg_info);
    tcase_add_test(tests, test_cost);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
