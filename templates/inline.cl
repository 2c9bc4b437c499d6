@# PoCL 3.1 miscompiles functions of vectors that it does not inline: a product that was called twice
@# gave NaN. OpenCL C has attributes, and a compiler leaves out those that it does not know.
@let INLINE '__attribute__((always_inline))'
