/* What Python's headers need to know of 64-bit Windows, to compile for it elsewhere.
   Made by hand after PC/pyconfig.h in CPython's sources, for clang with MinGW's headers. */
#ifndef Py_CONFIG_H
#define Py_CONFIG_H

#define MS_WINDOWS
#define MS_WIN32
#define MS_WIN64
#define NT_THREADS
#define SIZEOF__BOOL 1
#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_FLOAT 4
#define SIZEOF_DOUBLE 8
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_UINTPTR_T 8
#define SIZEOF_WCHAR_T 2
#define SIZEOF_PID_T 4
#define SIZEOF_OFF_T 4
#define SIZEOF_FPOS_T 8
#define SIZEOF_TIME_T 8
#define ALIGNOF_LONG 4
#define ALIGNOF_SIZE_T 8
#define ALIGNOF_MAX_ALIGN_T 8
#define HAVE_STDINT_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STRING_H 1
#define HAVE_STDDEF_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_FCNTL_H 1
#define HAVE_IO_H 1
#define HAVE_DECLSPEC_DLL
#define HAVE_DYNAMIC_LOADING
#define Py_ENABLE_SHARED
#define WITH_DOC_STRINGS 1
#define WITH_PYMALLOC 1

#include <io.h>
#include <stdio.h>
#include <sys/types.h>

typedef __int64 Py_ssize_t;
#define HAVE_PY_SSIZE_T 1
#define PY_SSIZE_T_MAX 9223372036854775807LL
#define PY_LLONG_MIN (-9223372036854775807LL - 1)
#define PY_LLONG_MAX 9223372036854775807LL
#define PY_ULLONG_MAX 18446744073709551615ULL

#endif
