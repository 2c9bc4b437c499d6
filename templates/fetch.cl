@# FETCH(p): the line of p into the second level of the cache, from anywhere; p need not be there.
@# OpenCL's prefetch() is empty in PoCL 3.1.
#ifndef FETCH
#if defined(__has_builtin)
#if __has_builtin(__builtin_prefetch)
#define FETCH(p) __builtin_prefetch((const void *)(ulong)(p), 0, 2)
#endif
#endif
#ifndef FETCH
#define FETCH(p)
#endif
#endif
