@# OpenCL's prefetch() is empty in PoCL 3.1. All CPU drivers compile by clang, which has this; 2: into L2.
@let PREFETCH '__builtin_prefetch'
