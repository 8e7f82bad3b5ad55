// What the normal forms need of libutf8proc (libutf8proc.so.3 or .so.2), opened in a worker's warm-up.
#ifndef MCPGW_CUTF8PROC_H
#define MCPGW_CUTF8PROC_H

#include <stddef.h>
#include <stdint.h>

// NULL when the library is there, else what is missing.
const char *cu_load(void);

// The compatibility decomposition of one character, at most `capacity` characters of it: how many it has, or negative.
ptrdiff_t cu_decompose(int32_t character, int32_t *output, ptrdiff_t capacity);

// Puts decomposed characters into canonical order and composes them, in place: how many are left, or negative.
ptrdiff_t cu_compose(int32_t *characters, ptrdiff_t count);

#endif
