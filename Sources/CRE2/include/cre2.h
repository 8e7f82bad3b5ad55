// The few calls of RE2 that policy and inspection need, without C++ in their types. A compiled expression or set may be
// used by several threads at once.
#ifndef MCPGW_CRE2_H
#define MCPGW_CRE2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_regex cr_regex;
typedef struct cr_set cr_set;

// What is wrong with an expression, ended by a null byte.
typedef struct {
    char text[256];
} cr_error;

// Compiles an expression over UTF-8. Its program and its matchers together never take more than max_memory bytes. NULL: see error.
cr_regex *cr_regex_new(const uint8_t *pattern, size_t length, int64_t max_memory, cr_error *error);
void cr_regex_free(cr_regex *regex);

// Whether the expression occurs anywhere in the text.
bool cr_regex_search(const cr_regex *regex, const uint8_t *text, size_t length);

// Where it occurs first at or after `start`; false when it does not.
bool cr_regex_find(const cr_regex *regex, const uint8_t *text, size_t length, size_t start, size_t *match_start, size_t *match_end);

// A set of expressions, searched in one pass.
cr_set *cr_set_new(int64_t max_memory);
void cr_set_free(cr_set *set);
// Adds an expression: its index, or -1 (see error).
int cr_set_add(cr_set *set, const uint8_t *pattern, size_t length, cr_error *error);
// To be called once after the last expression. False: out of memory.
bool cr_set_compile(cr_set *set);

// The set could not be searched within its memory; the text counts as unread.
#define CR_SET_FAILED (-1)
// How many expressions occur in the text, the indexes of the first `capacity` of them (ascending) in `indexes`; or CR_SET_FAILED.
int cr_set_search(const cr_set *set, const uint8_t *text, size_t length, int *indexes, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
