#include "scratch.h"
#include "device.h"
#include <string.h>

/* Making a buffer costs a driver up to a millisecond, and releasing it may wait for the device.
 * What is kept is a share of the device's memory, and a launch that needs little leaves what is
 * large. */
#define SHARE_KEPT 32
#define WASTE      4
#define SMALL      (1 << 20)

void kiln_scratch_init(kiln_scratch_pool *pool, uint64_t memory)
{
    memset(pool, 0, sizeof *pool);
    pthread_mutex_init(&pool->lock, NULL);
    pool->most = (size_t)(memory / SHARE_KEPT);
}

/* With the lock held. */
static void drop(kiln_scratch_pool *pool, size_t i)
{
    clReleaseMemObject(pool->kept[i].buffer);
    clReleaseCommandQueue(pool->kept[i].queue);
    pool->kept[i].buffer = NULL;
}

void kiln_scratch_free(kiln_scratch_pool *pool)
{
    for (size_t i = 0; i < KILN_SCRATCH_KEPT; i++)
        if (pool->kept[i].buffer)
            drop(pool, i);
    pthread_mutex_destroy(&pool->lock);
}

/* The smallest that suits, if there is one. */
static bool take_kept(kiln_scratch_pool *pool, cl_command_queue queue, size_t bytes, cl_mem *buffer,
                      size_t *size)
{
    size_t best = KILN_SCRATCH_KEPT;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < KILN_SCRATCH_KEPT; i++)
        if (pool->kept[i].buffer && pool->kept[i].queue == queue && pool->kept[i].bytes >= bytes &&
            (pool->kept[i].bytes <= SMALL || pool->kept[i].bytes / WASTE <= bytes) &&
            (best == KILN_SCRATCH_KEPT || pool->kept[i].bytes < pool->kept[best].bytes))
            best = i;
    const bool found = best < KILN_SCRATCH_KEPT;
    if (found) {
        *buffer = pool->kept[best].buffer;
        *size = pool->kept[best].bytes;
        pool->kept[best].buffer = NULL;
        clReleaseCommandQueue(queue);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

kiln_status kiln_scratch_take(kiln_scratch_pool *pool, cl_context cl, cl_command_queue queue,
                              bool in_order, size_t bytes, const char *who, cl_mem *buffer,
                              size_t *size)
{
    cl_int code;
    if (in_order && take_kept(pool, queue, bytes, buffer, size))
        return KILN_OK;
    *size = bytes;
    *buffer = clCreateBuffer(cl, CL_MEM_READ_WRITE | CL_MEM_HOST_NO_ACCESS, bytes, NULL, &code);
    if (code == CL_SUCCESS)
        return KILN_OK;
    *buffer = NULL;
    return kiln_fail(KILN_OPENCL_ERROR, "%s: no scratch of %zu bytes: %s (%d)", who, bytes,
                     kiln_cl_error_name(code), code);
}

/* With the lock held: the least used goes until there is room for size bytes more. A free place. */
static size_t make_room(kiln_scratch_pool *pool, size_t size)
{
    for (;;) {
        size_t total = 0, place = KILN_SCRATCH_KEPT, oldest = KILN_SCRATCH_KEPT;
        for (size_t i = 0; i < KILN_SCRATCH_KEPT; i++) {
            if (!pool->kept[i].buffer) {
                place = i;
                continue;
            }
            total += pool->kept[i].bytes;
            if (oldest == KILN_SCRATCH_KEPT || pool->kept[i].used < pool->kept[oldest].used)
                oldest = i;
        }
        if (place < KILN_SCRATCH_KEPT && total <= pool->most - size)
            return place;
        drop(pool, oldest);
    }
}

void kiln_scratch_give(kiln_scratch_pool *pool, cl_command_queue queue, bool in_order,
                       cl_mem buffer, size_t size)
{
    if (!in_order || size > pool->most || clRetainCommandQueue(queue) != CL_SUCCESS) {
        clReleaseMemObject(buffer);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    const size_t place = make_room(pool, size);
    pool->kept[place].queue = queue;
    pool->kept[place].buffer = buffer;
    pool->kept[place].bytes = size;
    pool->kept[place].used = ++pool->clock;
    pthread_mutex_unlock(&pool->lock);
}
