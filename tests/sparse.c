/* MAP_ANONYMOUS and MAP_NORESERVE are not POSIX. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include "sparse.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_REGIONS 32

static sparse regions[MAX_REGIONS];
static size_t num_regions;
static bool listening;

/* On whatever thread faulted. A driver's threads may fault on one chunk at once: each opens it. */
static void note_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    const unsigned char *at = info->si_addr;
    for (size_t i = 0; i < num_regions; i++) {
        sparse *s = &regions[i];
        if (at < s->region || at >= s->region + s->length)
            continue;
        size_t chunk = (size_t)(at - s->region) / SPARSE_CHUNK;
        s->touched[chunk] = 1;
        if (mprotect(s->region + chunk * SPARSE_CHUNK, SPARSE_CHUNK, PROT_READ | PROT_WRITE) == 0)
            return;
    }
    /* Nobody's, or more pages apart than the system counts: it comes again and ends the program. */
    signal(number, SIG_DFL);
}

static bool listen_to_faults(void)
{
    struct sigaction action = {.sa_sigaction = note_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    listening = listening || sigaction(SIGSEGV, &action, NULL) == 0;
    return listening;
}

sparse *sparse_make(size_t bytes)
{
    if (num_regions == MAX_REGIONS || !listen_to_faults())
        return NULL;
    sparse *s = &regions[num_regions];
    size_t rounded = (bytes + SPARSE_CHUNK - 1) / SPARSE_CHUNK * SPARSE_CHUNK;
    s->bytes = bytes;
    s->length = rounded + (size_t)SPARSE_FRONT + (size_t)SPARSE_BACK;
    s->num_chunks = s->length / SPARSE_CHUNK;
    s->touched = calloc(s->num_chunks, 1);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, no_file = -1;
    /* cppcheck-suppress invalidFunctionArg ; memory of no file has -1 */
    s->region = mmap(NULL, s->length, PROT_NONE, flags, no_file, 0);
    if (!s->touched || s->region == MAP_FAILED) {
        if (s->region != MAP_FAILED)
            munmap(s->region, s->length);
        free(s->touched);
        return NULL;
    }
    s->memory = s->region + SPARSE_FRONT;
    num_regions++;
    return s;
}

void sparse_drop_all(void)
{
    while (num_regions > 0) {
        const sparse *s = &regions[--num_regions];
        munmap(s->region, s->length);
        free(s->touched);
    }
}

void sparse_open(sparse *s, size_t bytes)
{
    size_t rounded = (bytes + SPARSE_CHUNK - 1) / SPARSE_CHUNK * SPARSE_CHUNK;
    if (mprotect(s->memory, rounded, PROT_READ | PROT_WRITE) != 0)
        abort();
}

bool sparse_next(const sparse *s, size_t *chunk, int64_t *offset)
{
    while (*chunk < s->num_chunks && !s->touched[*chunk])
        ++*chunk;
    *offset = (int64_t)(*chunk * SPARSE_CHUNK) - SPARSE_FRONT;
    return *chunk < s->num_chunks;
}
