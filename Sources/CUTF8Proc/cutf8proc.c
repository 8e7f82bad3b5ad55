#include "cutf8proc.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <utf8proc.h>

static __typeof__(&utf8proc_decompose_char) decompose_char;
static __typeof__(&utf8proc_normalize_utf32) normalize;
static __typeof__(&utf8proc_get_property) property;

const char *cu_load(void) {
    static bool loaded;
    if (loaded) return NULL;
    void *library = dlopen("libutf8proc.so.3", RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen("libutf8proc.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) return "libutf8proc.so.3 or .so.2 (package libutf8proc2 or libutf8proc3) could not be opened";
    decompose_char = (__typeof__(decompose_char))dlsym(library, "utf8proc_decompose_char");
    normalize = (__typeof__(normalize))dlsym(library, "utf8proc_normalize_utf32");
    property = (__typeof__(property))dlsym(library, "utf8proc_get_property");
    if (!decompose_char || !normalize || !property) return "libutf8proc lacks a function of version 2";
    loaded = true;
    return NULL;
}

ptrdiff_t cu_decompose(int32_t character, int32_t *output, ptrdiff_t capacity) {
    int last_class = 0;
    return decompose_char(character, output, capacity, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last_class);
}

// Canonical_Combining_Class, zero for what lies outside Unicode.
static int combining_class(int32_t character) { return property(character)->combining_class; }

// UAX #15, D108: a stable sort of every run of characters with a class, without the quadratic cost that a hostile run would
// have with insertions. Marks have classes up to 254.
static void order_run(int32_t *run, ptrdiff_t count) {
    bool ordered = true;
    for (ptrdiff_t i = 1; i < count && ordered; i++) ordered = combining_class(run[i - 1]) <= combining_class(run[i]);
    if (ordered) return;
    if (count <= 32) {
        for (ptrdiff_t i = 1; i < count; i++) {
            int32_t character = run[i];
            ptrdiff_t j = i;
            for (; j > 0 && combining_class(run[j - 1]) > combining_class(character); j--) run[j] = run[j - 1];
            run[j] = character;
        }
        return;
    }
    // Longer than any real text has: bottom-up, one pass for each bit of the class, stable.
    for (int bit = 0; bit < 8; bit++) {
        // Rotate the ones of this bit behind the zeros, halving: stable and in place, n log n.
        for (ptrdiff_t width = 1; width < count; width *= 2) {
            for (ptrdiff_t start = 0; start + width < count; start += 2 * width) {
                ptrdiff_t middle = start + width;
                ptrdiff_t end = middle + width < count ? middle + width : count;
                ptrdiff_t left = start, right = middle;
                while (left < middle && !(combining_class(run[left]) >> bit & 1)) left++;
                while (right < end && !(combining_class(run[right]) >> bit & 1)) right++;
                // [left, middle) are ones, [middle, right) are zeros: swap the two blocks by three reversals.
                ptrdiff_t pairs[3][2] = {{left, middle}, {middle, right}, {left, right}};
                for (int p = 0; p < 3; p++) {
                    for (ptrdiff_t a = pairs[p][0], b = pairs[p][1] - 1; a < b; a++, b--) {
                        int32_t swapped = run[a];
                        run[a] = run[b];
                        run[b] = swapped;
                    }
                }
            }
        }
    }
}

ptrdiff_t cu_compose(int32_t *characters, ptrdiff_t count) {
    for (ptrdiff_t start = 0; start < count;) {
        if (combining_class(characters[start]) == 0) {
            start++;
            continue;
        }
        ptrdiff_t end = start + 1;
        while (end < count && combining_class(characters[end]) != 0) end++;
        order_run(characters + start, end - start);
        start = end;
    }
    return normalize(characters, count, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
}
