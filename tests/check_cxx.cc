// kiln.h is C++ too, and its functions have C linkage.
#include "config.h"
#include "kiln.h"

#include <cstring>

int main()
{
    const kiln_arg args[] = {kiln_buffer("a", nullptr), kiln_dim("m", 7), kiln_scalar("lr", 0.5)};
    kiln_matmul_params params = {};

    params.m = KILN_LAUNCH_TIME;
    if (args[1].kind != KILN_ARG_DIM || args[1].integer != 7 || params.n != 0) {
        return 1;
    }
    return std::strcmp(kiln_version(), PACKAGE_VERSION) == 0 ? 0 : 1;
}
