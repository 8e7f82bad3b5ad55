// The entry points taken from libcrypto, with the types its headers give them.
#ifndef CC_API_H
#define CC_API_H

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define CC_FUNCTIONS(X)                                                                                                          \
    X(OPENSSL_init_crypto)                                                                                                       \
    X(OpenSSL_version)                                                                                                           \
    X(ERR_clear_error)                                                                                                           \
    X(EVP_CIPHER_fetch)                                                                                                          \
    X(EVP_CIPHER_CTX_new)                                                                                                        \
    X(EVP_CIPHER_CTX_free)                                                                                                       \
    X(EVP_CIPHER_CTX_ctrl)                                                                                                       \
    X(EVP_CIPHER_CTX_set_padding)                                                                                                \
    X(EVP_CipherInit_ex2)                                                                                                        \
    X(EVP_CipherUpdate)                                                                                                          \
    X(EVP_CipherFinal_ex)                                                                                                        \
    X(EVP_MAC_fetch)                                                                                                             \
    X(EVP_MAC_CTX_new)                                                                                                           \
    X(EVP_MAC_CTX_free)                                                                                                          \
    X(EVP_MAC_init)                                                                                                              \
    X(EVP_MAC_update)                                                                                                            \
    X(EVP_MAC_final)                                                                                                             \
    X(EVP_MD_fetch)                                                                                                              \
    X(EVP_MD_CTX_new)                                                                                                            \
    X(EVP_MD_CTX_free)                                                                                                           \
    X(EVP_DigestInit_ex2)                                                                                                        \
    X(EVP_DigestUpdate)                                                                                                          \
    X(EVP_DigestFinal_ex)                                                                                                        \
    X(EVP_PKEY_new_raw_private_key)                                                                                              \
    X(EVP_PKEY_new_raw_public_key)                                                                                               \
    X(EVP_PKEY_get_raw_public_key)                                                                                               \
    X(EVP_PKEY_free)                                                                                                             \
    X(EVP_DigestSignInit)                                                                                                        \
    X(EVP_DigestSign)                                                                                                            \
    X(EVP_DigestVerifyInit)                                                                                                      \
    X(EVP_DigestVerify)

struct cc_api {
#define X(name) __typeof__(&name) name;
    CC_FUNCTIONS(X)
#undef X
    // Fetched once and kept for the life of the process.
    EVP_CIPHER *aes_256_ecb;
    EVP_CIPHER *aes_256_gcm;
    EVP_MAC *hmac;
    EVP_MD *sha256;
};

extern struct cc_api cc_api __attribute__((visibility("hidden")));

#endif
