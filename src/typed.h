/* The typed creators as data: which field of a params struct is which parameter of the spec. */
#ifndef KILN_TYPED_H
#define KILN_TYPED_H

#include "status.h"

typedef enum kiln_field_type {
    KILN_FIELD_DIM,    /* int64_t, KILN_LAUNCH_TIME for ? */
    KILN_FIELD_INT,    /* int64_t, 0 for the default */
    KILN_FIELD_REAL,   /* double, 0 for the default */
    KILN_FIELD_STRING, /* const char *, NULL for the default */
    KILN_FIELD_SWITCH, /* int64_t: 0 for the default, KILN_ON, KILN_OFF */
    KILN_FIELD_DTYPE,
    KILN_FIELD_APPROX,
    KILN_FIELD_LAYOUT,
    KILN_FIELD_COMPUTE,
    KILN_FIELD_STYLE,
    KILN_FIELD_GATE
} kiln_field_type;

typedef struct kiln_field {
    const char *name; /* of the dimension or option; NULL ends */
    kiln_field_type type;
    size_t offset;
} kiln_field;

typedef struct kiln_typed {
    const char *kernel;
    const kiln_field *fields;
} kiln_typed;

/* One for each row; NULL past the end. */
const kiln_typed *kiln_typed_at(size_t index);

/* The spec that params asks for, appended to spec. KILN_INVALID_SPEC if an enum has no such
 * value; the rest is for the spec's own rules. */
kiln_status kiln_typed_spec(const kiln_typed *typed, const void *params, kiln_text *spec);

#endif
