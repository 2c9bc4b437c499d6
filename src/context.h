/* A context: device, cache, templates, log, and the kernels made so far. */
#ifndef KILN_CONTEXT_H
#define KILN_CONTEXT_H

#include "cache.h"
#include "facts.h"
#include "scratch.h"
#include "tuning_store.h"
#include <pthread.h>

struct kiln_saver;

struct kiln_context {
    cl_context cl;
    cl_device_id device;
    kiln_facts facts;
    char *identity; /* of the device and its driver */
    bool compiles_late;
    kiln_cache *cache;
    char *template_dir; /* NULL: embedded */
    kiln_log_fn log;
    void *log_user;
    struct kiln_saver *saver; /* writes binaries that are whole only after a run */
    kiln_tuning_store *tuning_store;
    kiln_scratch_pool scratch;

    pthread_mutex_t tuning_lock; /* of what follows */
    kiln_lines tuning;           /* the best lines, as the store had them when they were read */
    kiln_lines shipped;          /* those that kiln brings along */
    bool has_tuning;

    pthread_mutex_t lock;   /* of what follows */
    pthread_cond_t changed; /* a kernel is ready, or has failed */
    size_t references;      /* the caller's, and one of each kernel in use */
    struct kiln_kernel *kernels;
    uint64_t clock; /* counts uses of kernels */
};

void kiln_log(const kiln_context *context, kiln_log_level level, const char *format, ...)
    KILN_PRINTF(3, 4);

/* Drops a reference; the last one frees the context. */
void kiln_context_drop(kiln_context *context);

#endif
