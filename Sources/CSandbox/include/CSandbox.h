// Kernel calls of a worker's confinement that Swift cannot make itself (variadic, raw, or with structures newer than the headers of the
// build host). Policy lives in the Swift module `Sandbox`; nothing here decides anything.
//
// Every function returns a value >= 0 on success and a negated errno on failure, unless its comment says otherwise.
#ifndef MCPGW_CSANDBOX_H
#define MCPGW_CSANDBOX_H

#include <stdint.h>

// --- This process -------------------------------------------------------------------------------------------------------------------

/// The number of threads of this process (entries of /proc/self/task).
int sandbox_thread_count(void);

/// setrlimit(2). A soft or hard value above the present hard limit is lowered to it, so that no privilege is needed.
int sandbox_limit(int resource, uint64_t value);

/// Turns SIGXFSZ into the error EFBIG: with a file size limit of 0 a stray write must not end the worker.
int sandbox_ignore_file_size_signal(void);

/// prctl(PR_SET_NO_NEW_PRIVS, 1).
int sandbox_no_new_privileges(void);

/// prctl(PR_SET_PDEATHSIG): `signal` comes when the parent thread ends; 0 switches it off.
int sandbox_parent_death_signal(int signal);

/// prctl(PR_SET_DUMPABLE, 0): no ptrace by others of the same user, no core, /proc/<pid> belongs to root.
int sandbox_not_dumpable(void);

/// Empties the permitted, effective, inheritable and ambient sets, and the bounding set where the process may. Returns the number of
/// capabilities left in the bounding set.
int sandbox_drop_capabilities(void);

/// malloc_trim(3): gives the heap pages of a finished start-up back.
void sandbox_release_heap(void);

// --- Namespaces ---------------------------------------------------------------------------------------------------------------------

enum sandbox_namespace {
    SANDBOX_NS_USER,
    SANDBOX_NS_MOUNT,
    SANDBOX_NS_NETWORK,
    SANDBOX_NS_IPC,
    SANDBOX_NS_UTS,
};

/// unshare(2) of one namespace.
int sandbox_unshare(enum sandbox_namespace ns);

/// After unshare of the user namespace: maps `uid` and `gid` of the parent namespace to 0 inside and forbids setgroups(2).
int sandbox_map_to_root(uint32_t uid, uint32_t gid);

/// In a mount namespace of its own: makes an empty, read-only file system the root and detaches everything else.
int sandbox_empty_root(void);

// --- Landlock (landlock(7)); constants of ABI 1 to 7 are fixed by the kernel and stand in the Swift module ------------------------------

/// The kernel's Landlock ABI, or a negated errno where there is none.
int sandbox_landlock_abi(void);

/// landlock_create_ruleset(2): a descriptor. `abi` decides how much of the attribute the kernel is given.
int sandbox_landlock_ruleset(int abi, uint64_t files, uint64_t network, uint64_t scopes);

/// Allows `rights` beneath `path`. Returns 0 as well when the path does not exist.
int sandbox_landlock_allow(int ruleset, uint64_t rights, const char *path);

/// Allows `rights` beneath an open directory.
int sandbox_landlock_allow_in(int ruleset, uint64_t rights, int directory);

/// landlock_restrict_self(2), and closes the ruleset.
int sandbox_landlock_restrict(int ruleset);

// --- seccomp through libseccomp -----------------------------------------------------------------------------------------------------

/// A filter being built: everything that no rule allows ends the process.
typedef struct sandbox_filter sandbox_filter;

/// (argument & mask) == value. A mask of all ones compares the whole argument.
typedef struct {
    uint32_t argument;
    uint64_t mask;
    uint64_t value;
} sandbox_condition;

/// A new filter for one architecture: a libseccomp token (`SCMP_ARCH_*`), or 0 for the one this process runs on. NULL without memory,
/// or for an architecture that libseccomp does not know. A call without a rule ends the process when `unlisted` is 0, else it is refused
/// with that errno.
sandbox_filter *sandbox_filter_new(uint32_t architecture, int unlisted);

/// Adds one rule: allow when `refusal` is 0, else refuse with that errno. Returns 0; 1 when the architecture has no such call (nothing
/// added); -ENOENT when libseccomp knows the name nowhere.
int sandbox_filter_add(sandbox_filter *filter, uint32_t architecture, const char *name, int refusal, const sandbox_condition *conditions,
                       uint32_t count);

/// Loads the filter into the kernel for this thread.
int sandbox_filter_load(sandbox_filter *filter);

/// Writes the program (an array of `struct sock_filter`) to a descriptor; for tests.
int sandbox_filter_export(sandbox_filter *filter, int descriptor);

/// Frees the filter.
void sandbox_filter_free(sandbox_filter *filter);

/// The number of a call on an architecture (0: this one): negative when it has none.
int sandbox_call_number(uint32_t architecture, const char *name);

/// Tokens for `sandbox_filter_new`.
uint32_t sandbox_arch_x86_64(void);
uint32_t sandbox_arch_aarch64(void);

#endif
