/* Whether a tensor is what another one is, within the tolerance of its storage (kiln.h,
 * kiln_tune). */
#ifndef KILN_TUNE_COMPARE_H
#define KILN_TUNE_COMPARE_H

#include "status.h"

/* Two images of info->bytes. why gets a sentence if they differ, or if padding between the rows was
 * written in `got'. */
void kiln_compare(const kiln_arg_info *info, const void *trusted, const void *got, kiln_text *why);

#endif
