// The host's libcrypto (OpenSSL 3), opened at run time only by the roles that need it: linking it would cost every worker at exec (see the
// README's table of what libraries cost). The headers are needed at build time, the library at run time.
//
// Functions that return int answer 1 for success and 0 for failure unless they say otherwise. OpenSSL's error queue is left empty.
#ifndef CCRYPTO_H
#define CCRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Opens and initialises the library; null for success, else a text that says what is missing. Reads files, so before confinement. To be called by
// one thread at a time; a second call does nothing.
const char *cc_load(void);

// The library's own text, for example "OpenSSL 3.0.22 25 Aug 2026". Only after cc_load.
const char *cc_version(void);

enum { CC_KEY = 32, CC_NONCE = 24, CC_TAG = 16, CC_DIGEST = 32 };

// XAES-256-GCM (C2SP) under one key. One thread at a time.
typedef struct cc_aead cc_aead;
cc_aead *cc_aead_new(const uint8_t key[CC_KEY]);
void cc_aead_free(cc_aead *aead);

// Writes `size` bytes of ciphertext to `out` and the tag behind them. `out` may not overlap `in`.
int cc_aead_seal(cc_aead *aead, const uint8_t nonce[CC_NONCE], const uint8_t *context, size_t context_size, const uint8_t *in, size_t size,
                 uint8_t *out);

// Reads `size` bytes of ciphertext and the tag behind them; writes `size` bytes of plaintext to `out`, or zeros if the tag does not fit.
int cc_aead_open(cc_aead *aead, const uint8_t nonce[CC_NONCE], const uint8_t *context, size_t context_size, const uint8_t *in, size_t size,
                 uint8_t *out);

// HMAC-SHA-256 under one key. One thread at a time.
typedef struct cc_hmac cc_hmac;
cc_hmac *cc_hmac_new(const uint8_t *key, size_t size);
void cc_hmac_free(cc_hmac *hmac);
int cc_hmac_code(cc_hmac *hmac, const uint8_t *bytes, size_t size, uint8_t out[CC_DIGEST]);

// SHA-256. One thread at a time.
typedef struct cc_sha256 cc_sha256;
cc_sha256 *cc_sha256_new(void);
void cc_sha256_free(cc_sha256 *sha);
int cc_sha256_digest(cc_sha256 *sha, const uint8_t *bytes, size_t size, uint8_t out[CC_DIGEST]);

// Ed25519 (RFC 8032). One thread at a time. The keys are the 32 bytes of the RFC; the library is given the message whole.
enum { CC_SIGNATURE = 64 };
typedef struct cc_ed25519 cc_ed25519;
cc_ed25519 *cc_ed25519_signing(const uint8_t key[CC_KEY]);
cc_ed25519 *cc_ed25519_verifying(const uint8_t key[CC_KEY]);
void cc_ed25519_free(cc_ed25519 *key);
int cc_ed25519_public(cc_ed25519 *key, uint8_t out[CC_KEY]);
int cc_ed25519_sign(cc_ed25519 *key, const uint8_t *bytes, size_t size, uint8_t out[CC_SIGNATURE]);
int cc_ed25519_verify(cc_ed25519 *key, const uint8_t *bytes, size_t size, const uint8_t signature[CC_SIGNATURE]);

// Whether two byte strings are equal, in a time that depends on `size` alone. Needs no library.
bool cc_equal(const uint8_t *a, const uint8_t *b, size_t size);

// Overwrites memory in a way the compiler keeps. Needs no library.
void cc_wipe(void *bytes, size_t size);

// Random bytes of the kernel (getrandom(2)); waits only while the system boots. Needs no library.
int cc_random(void *bytes, size_t size);

#endif
