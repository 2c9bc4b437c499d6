# KILN_CHECK_FLAG(VARIABLE, FLAG): adds a flag to VARIABLE if the compiler takes it.
AC_DEFUN([KILN_CHECK_FLAG], [
  AC_MSG_CHECKING([whether $CC accepts $2])
  kiln_saved_cflags=$CFLAGS
  CFLAGS="$CFLAGS -Werror $2"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
    [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
  CFLAGS=$kiln_saved_cflags
])

# KILN_CHECK_C11: stops where -std=c11, threads or atomics are missing.
AC_DEFUN([KILN_CHECK_C11], [
  AC_MSG_CHECKING([whether $CC compiles C11 with -std=c11])
  kiln_saved_cflags=$CFLAGS
  CFLAGS="$CFLAGS -std=c11"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#if __STDC_VERSION__ < 201112L
#error not C11
#endif
#include <stdatomic.h>
static _Thread_local int local;
static atomic_int shared;
_Static_assert(sizeof(int) >= 4, "int");
  ]], [[local = 1; atomic_fetch_add(&shared, local);]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([kiln needs a C11 compiler with threads and atomics])])
  CFLAGS=$kiln_saved_cflags
])
