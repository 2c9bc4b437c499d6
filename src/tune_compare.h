/* Whether a tensor is what another one is, within the tolerance of its storage (kiln.h,
 * kiln_tune). */
#ifndef KILN_TUNE_COMPARE_H
#define KILN_TUNE_COMPARE_H

#include "status.h"

/* Two images of info->bytes, of a spec with compute=tf32 or without. why gets a sentence if they
 * differ, or if padding between the rows was written in `got'. */
void kiln_compare(const kiln_arg_info *info, bool tf32, const void *trusted, const void *got,
                  kiln_text *why);

#endif
