#include "api.h"
#include "ccrypto.h"

#include <stdlib.h>

struct cc_ed25519 {
    EVP_PKEY *key;
};

static cc_ed25519 *keep(EVP_PKEY *key) {
    cc_ed25519 *kept = key ? calloc(1, sizeof *kept) : NULL;
    if (!kept) {
        cc_api.EVP_PKEY_free(key);
        cc_api.ERR_clear_error();
        return NULL;
    }
    kept->key = key;
    return kept;
}

cc_ed25519 *cc_ed25519_signing(const uint8_t key[CC_KEY]) {
    return keep(cc_api.EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, CC_KEY));
}

cc_ed25519 *cc_ed25519_verifying(const uint8_t key[CC_KEY]) {
    return keep(cc_api.EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, CC_KEY));
}

void cc_ed25519_free(cc_ed25519 *key) {
    if (!key) return;
    cc_api.EVP_PKEY_free(key->key);  // wipes the secret
    free(key);
}

int cc_ed25519_public(cc_ed25519 *key, uint8_t out[CC_KEY]) {
    size_t size = CC_KEY;
    int done = cc_api.EVP_PKEY_get_raw_public_key(key->key, out, &size) == 1 && size == CC_KEY;
    if (!done) cc_api.ERR_clear_error();
    return done;
}

int cc_ed25519_sign(cc_ed25519 *key, const uint8_t *bytes, size_t size, uint8_t out[CC_SIGNATURE]) {
    size_t written = CC_SIGNATURE;
    EVP_MD_CTX *context = cc_api.EVP_MD_CTX_new();
    int done = context && cc_api.EVP_DigestSignInit(context, NULL, NULL, NULL, key->key) == 1 &&
               cc_api.EVP_DigestSign(context, out, &written, bytes, size) == 1 && written == CC_SIGNATURE;
    cc_api.EVP_MD_CTX_free(context);
    if (!done) cc_api.ERR_clear_error();
    return done;
}

int cc_ed25519_verify(cc_ed25519 *key, const uint8_t *bytes, size_t size, const uint8_t signature[CC_SIGNATURE]) {
    EVP_MD_CTX *context = cc_api.EVP_MD_CTX_new();
    int good = context && cc_api.EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->key) == 1 &&
               cc_api.EVP_DigestVerify(context, signature, CC_SIGNATURE, bytes, size) == 1;
    cc_api.EVP_MD_CTX_free(context);
    cc_api.ERR_clear_error();
    return good;
}
