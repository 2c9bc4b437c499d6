/* The templates compiled into the library, made by build-aux/embed from kernels.cl.in and
 * templates/. */
#ifndef KILN_EMBEDDED_H
#define KILN_EMBEDDED_H

#include <stddef.h>

struct kiln_embedded {
    const char *name; /* below templates/: "kernels.cl.in", "matmul_simt.cl", "op/bias.cl" */
    const char *text; /* NUL-terminated */
    size_t length;    /* without the NUL */
};

extern const struct kiln_embedded kiln_embedded_templates[];
extern const size_t kiln_num_embedded_templates;

#endif
