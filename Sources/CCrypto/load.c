#include "api.h"
#include "ccrypto.h"

#include <dlfcn.h>

struct cc_api cc_api;

static const char *resolve(void *library) {
#define X(name)                                                              \
    cc_api.name = (__typeof__(cc_api.name))dlsym(library, #name);            \
    if (!cc_api.name) return "libcrypto.so.3 lacks " #name;
    CC_FUNCTIONS(X)
#undef X
    return NULL;
}

static const char *fetch(void) {
    // Without its exit handler: a worker that ends must not run OpenSSL's clean-up under a helper thread. With the host's configuration file, so
    // that what the administrator set for every program (a provider, a policy) holds here too.
    if (!cc_api.OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_LOAD_CONFIG, NULL)) return "libcrypto.so.3 could not be initialised";
    cc_api.aes_256_ecb = cc_api.EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
    cc_api.aes_256_gcm = cc_api.EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    cc_api.hmac = cc_api.EVP_MAC_fetch(NULL, "HMAC", NULL);
    cc_api.sha256 = cc_api.EVP_MD_fetch(NULL, "SHA256", NULL);
    cc_api.ERR_clear_error();
    if (!cc_api.aes_256_ecb || !cc_api.aes_256_gcm) return "libcrypto.so.3 offers no AES-256";
    if (!cc_api.hmac || !cc_api.sha256) return "libcrypto.so.3 offers no HMAC-SHA-256";
    return NULL;
}

const char *cc_load(void) {
    static bool loaded;
    if (loaded) return NULL;
    void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    if (!library) return "libcrypto.so.3 (package libssl3) could not be opened";
    const char *problem = resolve(library);
    if (!problem) problem = fetch();
    loaded = !problem;
    return problem;
}

const char *cc_version(void) { return cc_api.OpenSSL_version(OPENSSL_VERSION); }
