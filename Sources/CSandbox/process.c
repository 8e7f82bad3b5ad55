// What a process can give up about itself, and the namespaces it can leave.
#define _GNU_SOURCE
#include "CSandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

// Raw getdents64: opendir would take 32 KiB of heap for three entries.
int sandbox_thread_count(void) {
    int directory = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -errno;
    _Alignas(8) char buffer[1024];
    int count = 0;
    long length;
    while ((length = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < length;) {
            unsigned short record;  // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name
            memcpy(&record, buffer + at + 16, sizeof record);
            if (buffer[at + 19] != '.') count++;
            at += record;
        }
    }
    int failure = length < 0 ? -errno : 0;
    close(directory);
    return failure < 0 ? failure : count;
}

int sandbox_limit(int resource, uint64_t value) {
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0) return -errno;
    if (limit.rlim_max == RLIM_INFINITY || value < limit.rlim_max) limit.rlim_max = value;
    limit.rlim_cur = limit.rlim_max;
    return result(setrlimit((__rlimit_resource_t)resource, &limit));
}

int sandbox_ignore_file_size_signal(void) { return signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -errno : 0; }

int sandbox_no_new_privileges(void) { return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

int sandbox_parent_death_signal(int signal) { return result(prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)); }

int sandbox_not_dumpable(void) { return result(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)); }

int sandbox_drop_capabilities(void) {
    // The bounding set first: this needs CAP_SETPCAP, which capset takes away. A process without it keeps the set, to which
    // "no new privileges" then denies every use.
    int left = 0;
    for (int capability = 0; capability < 64; capability++) {
        int present = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (present < 0) break;
        if (present == 1 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) left++;
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -errno;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    if (syscall(SYS_capset, &header, none) < 0) return -errno;
    return left;
}

void sandbox_release_heap(void) { malloc_trim(0); }

int sandbox_unshare(enum sandbox_namespace ns) {
    static const int flags[] = {
        [SANDBOX_NS_USER] = CLONE_NEWUSER,   [SANDBOX_NS_MOUNT] = CLONE_NEWNS, [SANDBOX_NS_NETWORK] = CLONE_NEWNET,
        [SANDBOX_NS_IPC] = CLONE_NEWIPC,     [SANDBOX_NS_UTS] = CLONE_NEWUTS,
    };
    return result(unshare(flags[ns]));
}

static int put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    int failure = write(file, text, strlen(text)) < 0 ? -errno : 0;
    close(file);
    return failure;
}

int sandbox_map_to_root(uint32_t uid, uint32_t gid) {
    char line[64];
    int failure = put("/proc/self/setgroups", "deny");
    if (failure < 0) return failure;
    snprintf(line, sizeof line, "0 %u 1", uid);
    failure = put("/proc/self/uid_map", line);
    if (failure < 0) return failure;
    snprintf(line, sizeof line, "0 %u 1", gid);
    return put("/proc/self/gid_map", line);
}

int sandbox_empty_root(void) {
    // Nothing mounted here may reach the host, and pivot_root refuses shared mounts.
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -errno;
    // Any directory serves as the place to mount on; /proc is there, the threads were counted in it. One inode: the root directory.
    const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("tmpfs", "/proc", "tmpfs", flags, "size=4k,nr_inodes=1,mode=0555") < 0) return -errno;
    if (chdir("/proc") < 0) return -errno;
    // pivot_root(2), "pivot_root(".", ".")": the old root is stacked on the new one and detached at once.
    if (syscall(SYS_pivot_root, ".", ".") < 0) return -errno;
    if (umount2(".", MNT_DETACH) < 0) return -errno;
    return result(chdir("/"));
}
