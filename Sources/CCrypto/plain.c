// What needs no library.
#define _GNU_SOURCE
#include "ccrypto.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

bool cc_equal(const uint8_t *a, const uint8_t *b, size_t size) {
    // Volatile, so that the compiler neither stops early nor calls memcmp.
    const volatile uint8_t *x = a, *y = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < size; i++) difference |= x[i] ^ y[i];
    return difference == 0;
}

void cc_wipe(void *bytes, size_t size) { explicit_bzero(bytes, size); }

int cc_random(void *bytes, size_t size) {
    uint8_t *next = bytes;
    while (size > 0) {
        ssize_t count = getrandom(next, size, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return 0;
        next += count;
        size -= (size_t)count;
    }
    return 1;
}
