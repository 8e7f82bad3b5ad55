// Landlock by raw calls: Debian 12's headers stop at ABI 2.
#define _GNU_SOURCE
#include "CSandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

// The numbers are the same on every architecture.
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

struct ruleset_attributes {
    uint64_t files;    // ABI 1
    uint64_t network;  // ABI 4
    uint64_t scopes;   // ABI 6
};

struct path_beneath {
    uint64_t rights;
    int32_t parent;
} __attribute__((packed));

int sandbox_landlock_abi(void) {
    long abi = syscall(CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
    return abi < 0 ? -errno : (int)abi;
}

int sandbox_landlock_ruleset(int abi, uint64_t files, uint64_t network, uint64_t scopes) {
    struct ruleset_attributes attributes = {files, network, scopes};
    unsigned long size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    long ruleset = syscall(CREATE_RULESET, &attributes, size, 0);  // close-on-exec by itself
    return ruleset < 0 ? -errno : (int)ruleset;
}

int sandbox_landlock_allow(int ruleset, uint64_t rights, const char *path) {
    int parent = open(path, O_PATH | O_CLOEXEC);
    if (parent < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    struct path_beneath rule = {rights, parent};
    int failure = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
    close(parent);
    return failure;
}

int sandbox_landlock_allow_in(int ruleset, uint64_t rights, int directory) {
    struct path_beneath rule = {rights, directory};
    return syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

int sandbox_landlock_restrict(int ruleset) {
    int failure = syscall(RESTRICT_SELF, ruleset, 0) < 0 ? -errno : 0;
    close(ruleset);
    return failure;
}
