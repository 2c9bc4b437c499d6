/* Buffers that launches use between their stages, kept for the next launch. */
#ifndef KILN_SCRATCH_H
#define KILN_SCRATCH_H

#include "status.h"
#include <pthread.h>

#define KILN_SCRATCH_KEPT 8

/* Buffers of launches on queues in order: the next one on the same queue comes behind them. Each
 * holds its queue, so that no other can be at its address. */
typedef struct kiln_scratch_pool {
    pthread_mutex_t lock;
    struct {
        cl_command_queue queue;
        cl_mem buffer; /* NULL: none */
        size_t bytes;
        uint64_t used;
    } kept[KILN_SCRATCH_KEPT];
    size_t most; /* bytes of all that is kept */
    uint64_t clock;
} kiln_scratch_pool;

/* Of a device with memory bytes. */
void kiln_scratch_init(kiln_scratch_pool *pool, uint64_t memory);
void kiln_scratch_free(kiln_scratch_pool *pool);

/* A buffer of bytes or more, the caller's until it gives it back; *size is what it has. who stands
 * before a sentence. in_order: of the queue. */
kiln_status kiln_scratch_take(kiln_scratch_pool *pool, cl_context cl, cl_command_queue queue,
                              bool in_order, size_t bytes, const char *who, cl_mem *buffer,
                              size_t *size);

/* After the commands that use it are queued. OpenCL keeps a buffer that is released until they are
 * over. */
void kiln_scratch_give(kiln_scratch_pool *pool, cl_command_queue queue, bool in_order,
                       cl_mem buffer, size_t size);

#endif
