// XAES-256-GCM as https://c2sp.org/XAES-256-GCM defines it: AES-CMAC in counter mode (NIST SP 800-108r1) over the first half of a 192-bit nonce
// gives the key, the second half is the nonce of AES-256-GCM.
#include "api.h"
#include "ccrypto.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16, HALF_NONCE = CC_NONCE / 2 };

struct cc_aead {
    EVP_CIPHER_CTX *blocks;  // AES-256 under the long-lived key
    EVP_CIPHER_CTX *gcm;     // AES-256-GCM under the key of the message at hand
    uint8_t subkey[BLOCK];   // K1 of CMAC
};

static int encrypt_blocks(cc_aead *aead, const uint8_t *in, int size, uint8_t *out) {
    int written = 0;
    return cc_api.EVP_CipherUpdate(aead->blocks, out, &written, in, size) == 1 && written == size;
}

// K1: the encrypted zero block times x in GF(2^128) (RFC 4493, 2.3).
static int make_subkey(cc_aead *aead) {
    uint8_t zero[BLOCK] = {0}, block[BLOCK];
    if (!encrypt_blocks(aead, zero, BLOCK, block)) return 0;
    uint8_t carry = block[0] >> 7;
    for (int i = 0; i < BLOCK - 1; i++) aead->subkey[i] = (uint8_t)(block[i] << 1 | block[i + 1] >> 7);
    aead->subkey[BLOCK - 1] = (uint8_t)(block[BLOCK - 1] << 1) ^ (uint8_t)(-carry & 0x87);
    cc_wipe(block, sizeof block);
    return 1;
}

cc_aead *cc_aead_new(const uint8_t key[CC_KEY]) {
    cc_aead *aead = calloc(1, sizeof *aead);
    if (!aead) return NULL;
    aead->blocks = cc_api.EVP_CIPHER_CTX_new();
    aead->gcm = cc_api.EVP_CIPHER_CTX_new();
    if (aead->blocks && aead->gcm && cc_api.EVP_CipherInit_ex2(aead->blocks, cc_api.aes_256_ecb, key, NULL, 1, NULL) == 1 &&
        cc_api.EVP_CIPHER_CTX_set_padding(aead->blocks, 0) == 1 &&
        cc_api.EVP_CipherInit_ex2(aead->gcm, cc_api.aes_256_gcm, NULL, NULL, 1, NULL) == 1 && make_subkey(aead))
        return aead;
    cc_api.ERR_clear_error();
    cc_aead_free(aead);
    return NULL;
}

void cc_aead_free(cc_aead *aead) {
    if (!aead) return;
    // Both wipe the key schedules they hold.
    cc_api.EVP_CIPHER_CTX_free(aead->blocks);
    cc_api.EVP_CIPHER_CTX_free(aead->gcm);
    cc_wipe(aead, sizeof *aead);
    free(aead);
}

// Sets the message's own key and the direction.
static int start(cc_aead *aead, const uint8_t nonce[CC_NONCE], int sealing) {
    uint8_t blocks[2][BLOCK] = {{0, 1, 'X', 0}, {0, 2, 'X', 0}}, key[2 * BLOCK];
    for (int i = 0; i < 2; i++) {
        memcpy(blocks[i] + 4, nonce, HALF_NONCE);
        for (int j = 0; j < BLOCK; j++) blocks[i][j] ^= aead->subkey[j];
    }
    int done = encrypt_blocks(aead, blocks[0], sizeof blocks, key) &&
               cc_api.EVP_CipherInit_ex2(aead->gcm, NULL, key, nonce + HALF_NONCE, sealing, NULL) == 1;
    cc_wipe(key, sizeof key);
    cc_wipe(blocks, sizeof blocks);
    return done;
}

static int update(cc_aead *aead, const uint8_t *in, size_t size, uint8_t *out) {
    int written = 0;
    if (size == 0) return 1;
    return cc_api.EVP_CipherUpdate(aead->gcm, out, &written, in, (int)size) == 1 && (size_t)written == size;
}

int cc_aead_seal(cc_aead *aead, const uint8_t nonce[CC_NONCE], const uint8_t *context, size_t context_size, const uint8_t *in, size_t size,
                 uint8_t *out) {
    int rest = 0;
    if (size > INT_MAX || context_size > INT_MAX) return 0;
    if (start(aead, nonce, 1) && update(aead, context, context_size, NULL) && update(aead, in, size, out) &&
        cc_api.EVP_CipherFinal_ex(aead->gcm, out + size, &rest) == 1 &&
        cc_api.EVP_CIPHER_CTX_ctrl(aead->gcm, EVP_CTRL_AEAD_GET_TAG, CC_TAG, out + size) == 1)
        return 1;
    cc_api.ERR_clear_error();
    memset(out, 0, size + CC_TAG);
    return 0;
}

int cc_aead_open(cc_aead *aead, const uint8_t nonce[CC_NONCE], const uint8_t *context, size_t context_size, const uint8_t *in, size_t size,
                 uint8_t *out) {
    int rest = 0;
    uint8_t tag[CC_TAG];
    if (size > INT_MAX || context_size > INT_MAX) return 0;
    memcpy(tag, in + size, CC_TAG);
    if (start(aead, nonce, 0) && update(aead, context, context_size, NULL) && update(aead, in, size, out) &&
        cc_api.EVP_CIPHER_CTX_ctrl(aead->gcm, EVP_CTRL_AEAD_SET_TAG, CC_TAG, tag) == 1 &&
        cc_api.EVP_CipherFinal_ex(aead->gcm, tag, &rest) == 1)
        return 1;
    cc_api.ERR_clear_error();
    cc_wipe(out, size);
    return 0;
}
