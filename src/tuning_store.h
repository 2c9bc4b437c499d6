/* Where a device's tuning lines are kept: a file in the cache directory, the file that
 * $KILN_TUNE_FILE names, or a value of the embedder's store. Safe for any number of threads and
 * processes: a change is reading, merging and renaming under a lock. Trouble with the place is a
 * warning, the first time, never an error. */
#ifndef KILN_TUNING_STORE_H
#define KILN_TUNING_STORE_H

#include "cache.h"
#include "tuning.h"

typedef struct kiln_tuning_store kiln_tuning_store;

/* cache says which directory or store, and whether it may be read and written; it must outlive the
 * store, and so must device (an identity) and facts. */
kiln_status kiln_tuning_open(const kiln_cache *cache, const char *device, const kiln_facts *facts,
                             kiln_cache_log log, void *log_user, kiln_tuning_store **store);
void kiln_tuning_close(kiln_tuning_store *store);

/* The file's path, or what it is in words. */
const char *kiln_tuning_place(const kiln_tuning_store *store);

/* Whether what is put there stays. */
bool kiln_tuning_is_kept(const kiln_tuning_store *store);

/* The lines that are there now; none if there is no file. Fails only for want of memory. lines is
 * freed with kiln_lines_free, whatever the result. */
kiln_status kiln_tuning_read(kiln_tuning_store *store, bool best_only, kiln_lines *lines);

/* Reads, has the lines changed, writes. *kept: it was written. */
kiln_status kiln_tuning_change(kiln_tuning_store *store,
                               kiln_status (*change)(void *user, kiln_lines *lines), void *user,
                               bool *kept);

#endif
