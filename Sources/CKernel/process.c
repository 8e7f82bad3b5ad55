#define _GNU_SOURCE
#include "ckernel.h"

#include <malloc.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int ck_open_own_image(void) {
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

// Runs in the child between fork and exec: only async-signal-safe calls. Writes errno to `report` and exits on failure.
static void child(int image, char *const argv[], char *const envp[], const int *fds, int count, int death_signal, pid_t parent, int report) {
    // Move everything above the target range first, so that no dup2 overwrites a source.
    int moved[16];
    int base = count + 1;
    for (int i = 0; i < count; i++) {
        moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, base);
        if (moved[i] < 0) goto fail;
    }
    int high_image = fcntl(image, F_DUPFD_CLOEXEC, base);
    int high_report = fcntl(report, F_DUPFD_CLOEXEC, base);
    if (high_image < 0 || high_report < 0) goto fail;
    report = high_report;
    for (int i = 0; i < count; i++)
        if (dup2(moved[i], i) < 0) goto fail;
    // What the parent has not marked CLOEXEC by mistake is closed here all the same.
    if (syscall(SYS_close_range, (unsigned)count, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */) < 0) goto fail;

    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int s = 1; s < 65; s++)
        if (s != SIGKILL && s != SIGSTOP) sigaction(s, &action, NULL);
    action.sa_handler = SIG_IGN;  // Ctrl-C and pgrep reach the whole group: only the supervisor acts.
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGPIPE, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    if (death_signal != 0) {
        if (prctl(PR_SET_PDEATHSIG, (unsigned long)death_signal) < 0) goto fail;
        if (getppid() != parent) _exit(1);  // the parent ended before the signal was set
    }
    syscall(SYS_execveat, high_image, "", argv, envp, 0x1000 /* AT_EMPTY_PATH */);
fail:;
    int error = errno;
    if (write(report, &error, sizeof error) < 0) _exit(126);
    _exit(127);
}

pid_t ck_spawn(int image, char *const argv[], char *const envp[], const int *fds, int count, int death_signal) {
    if (count > 16) return -E2BIG;
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) return -errno;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) child(image, argv, envp, fds, count, death_signal, parent, report[1]);
    int saved = errno;
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return -saved;
    }
    int error = 0;
    ssize_t n;
    do n = read(report[0], &error, sizeof error);
    while (n < 0 && errno == EINTR);
    close(report[0]);
    if (n == (ssize_t)sizeof error) {
        waitpid(pid, NULL, 0);
        return -error;
    }
    return pid;
}

void ck_set_name(const char *name) { prctl(PR_SET_NAME, name); }

void ck_keep_memory(int trim, int separate) {
    mallopt(M_TRIM_THRESHOLD, trim);
    mallopt(M_MMAP_THRESHOLD, separate);
}

uint64_t ck_heap_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return (uint64_t)info.uordblks + info.hblkhd;
}

int ck_protect_memory(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0) return -errno;
    return 0;
}

int ck_find_user(const char *name, uid_t *uid, gid_t *gid) {
    errno = 0;
    struct passwd *entry = getpwnam(name);
    if (!entry) return errno == 0 ? -ENOENT : -errno;
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return 0;
}

int ck_become_user(const char *name, uid_t uid, gid_t gid) {
    if (initgroups(name, gid) < 0) return -errno;
    if (setresgid(gid, gid, gid) < 0) return -errno;
    if (setresuid(uid, uid, uid) < 0) return -errno;
    if (uid != 0 && setuid(0) == 0) return -EPERM;
    return 0;
}

pid_t ck_reap(int *status) {
    pid_t pid = waitpid(-1, status, WNOHANG);
    return pid < 0 ? -errno : pid;
}

int ck_exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
int ck_exit_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

int ck_signal_descriptor(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    // An ignored SIGCHLD would be inherited from some parents and lose exit statuses.
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int ck_next_signal(int fd) {
    struct signalfd_siginfo info;
    ssize_t n = read(fd, &info, sizeof info);
    return n == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

long ck_raise_descriptor_limit(long wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    if (limit.rlim_cur < (rlim_t)wanted) {
        limit.rlim_cur = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    }
    return (long)limit.rlim_cur;
}

extern char **environ;

const char *ck_environment(size_t index) {
    if (!environ) return NULL;
    for (size_t at = 0; at < index; at++) {
        if (!environ[at]) return NULL;
    }
    return environ[index];
}
