@# A store of an aligned vector past the cache. A plain one fetches its line first, which is a third of
@# what a copy moves; but what is read again soon should stay.
#ifndef PAST_CACHE
#if defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define PAST_CACHE(v, p) __builtin_nontemporal_store(v, p)
#endif
#endif
#ifndef PAST_CACHE
#define PAST_CACHE(v, p) (*(p) = (v))
#endif
#endif
