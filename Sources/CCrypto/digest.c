#include "api.h"
#include "ccrypto.h"

#include <stdlib.h>

struct cc_hmac {
    EVP_MAC_CTX *context;
};

struct cc_sha256 {
    EVP_MD_CTX *context;
};

cc_hmac *cc_hmac_new(const uint8_t *key, size_t size) {
    static char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {{OSSL_MAC_PARAM_DIGEST, OSSL_PARAM_UTF8_STRING, digest, sizeof digest - 1, 0}, {0}};
    // A null key would mean "the key of before" to EVP_MAC_init.
    const uint8_t none = 0;
    cc_hmac *hmac = calloc(1, sizeof *hmac);
    if (!hmac) return NULL;
    hmac->context = cc_api.EVP_MAC_CTX_new(cc_api.hmac);
    if (hmac->context && cc_api.EVP_MAC_init(hmac->context, size ? key : &none, size, parameters) == 1) return hmac;
    cc_api.ERR_clear_error();
    cc_hmac_free(hmac);
    return NULL;
}

void cc_hmac_free(cc_hmac *hmac) {
    if (!hmac) return;
    cc_api.EVP_MAC_CTX_free(hmac->context);  // wipes the key
    free(hmac);
}

int cc_hmac_code(cc_hmac *hmac, const uint8_t *bytes, size_t size, uint8_t out[CC_DIGEST]) {
    size_t written = 0;
    // No key given: the one the context keeps, already digested.
    if (cc_api.EVP_MAC_init(hmac->context, NULL, 0, NULL) == 1 && (size == 0 || cc_api.EVP_MAC_update(hmac->context, bytes, size) == 1) &&
        cc_api.EVP_MAC_final(hmac->context, out, &written, CC_DIGEST) == 1 && written == CC_DIGEST)
        return 1;
    cc_api.ERR_clear_error();
    return 0;
}

cc_sha256 *cc_sha256_new(void) {
    cc_sha256 *sha = calloc(1, sizeof *sha);
    if (!sha) return NULL;
    sha->context = cc_api.EVP_MD_CTX_new();
    if (sha->context && cc_api.EVP_DigestInit_ex2(sha->context, cc_api.sha256, NULL) == 1) return sha;
    cc_api.ERR_clear_error();
    cc_sha256_free(sha);
    return NULL;
}

void cc_sha256_free(cc_sha256 *sha) {
    if (!sha) return;
    cc_api.EVP_MD_CTX_free(sha->context);
    free(sha);
}

int cc_sha256_digest(cc_sha256 *sha, const uint8_t *bytes, size_t size, uint8_t out[CC_DIGEST]) {
    unsigned written = 0;
    // No digest named: the one the context keeps, without allocating anew.
    if (cc_api.EVP_DigestInit_ex2(sha->context, NULL, NULL) == 1 &&
        (size == 0 || cc_api.EVP_DigestUpdate(sha->context, bytes, size) == 1) &&
        cc_api.EVP_DigestFinal_ex(sha->context, out, &written) == 1 && written == CC_DIGEST)
        return 1;
    cc_api.ERR_clear_error();
    return 0;
}
