/* What NVIDIA's driver takes beyond OpenCL C: PTX in line, more local memory than it reports, and,
 * after a pass over the PTX that its compiler makes, instructions of one chip alone.
 *
 * The compiler's target is sm_90, and no option changes it; wgmma and its like are of sm_90a. So a
 * template writes such an instruction as a comment of the PTX, asm volatile("/\*@sm_90a ... @*\/"):
 * the compiler fills in the registers and assembles a program that leaves it out. The pass then
 * takes the comment's marks away, changes the target, and gives the text back to the driver as a
 * binary. */
#ifndef KILN_NVIDIA_H
#define KILN_NVIDIA_H

#include "context.h"

/* Completes the context's facts by test builds, whose answer is kept in its cache; logs what is
 * missing. On other devices nothing. Fails only for want of memory. */
kiln_status kiln_nvidia_facts(kiln_context *context);

/* Whether a source has instructions for the pass. */
bool kiln_nvidia_is_marked(const char *source);

/* The pass over PTX, appended to out. */
void kiln_nvidia_pass(const char *ptx, kiln_text *out);

/* The pass over a built program: *result is a new one, to be built. */
kiln_status kiln_nvidia_retarget(const kiln_context *context, cl_program program,
                                 cl_program *result);

#endif
