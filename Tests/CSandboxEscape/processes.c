// Other processes, limits, memory.
#include "private.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// A child that was not supposed to be possible goes at once.
static int child(long result) {
    if (result == 0) _exit(0);
    return tried(result);
}

ATTEMPT(by_fork) { return child(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }
ATTEMPT(by_vfork) {
    pid_t made = vfork();
    if (made == 0) _exit(0);
    return tried(made);
}
ATTEMPT(by_clone3) {
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    return child(syscall(SYS_clone3, &arguments, sizeof arguments));
}
ATTEMPT(by_clone_files) { return child(syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0)); }
ATTEMPT(by_clone_namespace) { return child(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }

static void *nothing(void *argument) { return argument; }
ATTEMPT(by_thread) {
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, nothing, NULL);
    if (failure != 0) return -failure;
    pthread_join(thread, NULL);
    return 0;
}

static char *const arguments[] = {"true", NULL};
static char *const environment[] = {NULL};
ATTEMPT(by_execve) { return tried(syscall(SYS_execve, "/bin/true", arguments, environment)); }
ATTEMPT(by_execveat) { return tried(syscall(SYS_execveat, c->program, "", arguments, environment, AT_EMPTY_PATH)); }

ATTEMPT(trace_sibling) { return tried(ptrace(PTRACE_SEIZE, c->sibling, 0, 0)); }
ATTEMPT(trace_me) { return tried(ptrace(PTRACE_TRACEME, 0, 0, 0)); }
ATTEMPT(kill_sibling) { return tried(kill(c->sibling, 0)); }
ATTEMPT(kill_parent) { return tried(kill(c->parent, 0)); }
ATTEMPT(kill_self) { return tried(kill(getpid(), 0)); }
ATTEMPT(tgkill_sibling) { return tried(syscall(SYS_tgkill, c->sibling, c->sibling, 0)); }
ATTEMPT(tkill_sibling) { return tried(syscall(SYS_tkill, c->sibling, 0)); }
ATTEMPT(queue_to_sibling) {
    siginfo_t info = {.si_signo = SIGURG, .si_code = SI_QUEUE};
    return tried(syscall(SYS_rt_sigqueueinfo, c->sibling, SIGURG, &info));
}
ATTEMPT(own_sibling) { return tried(fcntl(c->pipe_read, F_SETOWN, c->sibling)); }
ATTEMPT(open_pidfd) { return tried(syscall(SYS_pidfd_open, c->sibling, 0)); }
ATTEMPT(signal_pidfd) { return tried(syscall(SYS_pidfd_send_signal, c->pidfd, 0, NULL, 0)); }
ATTEMPT(steal_descriptor) { return tried(syscall(SYS_pidfd_getfd, c->pidfd, 0, 0)); }
ATTEMPT(read_parent_memory) {
    char from[8], to[8];
    struct iovec local = {to, 8}, remote = {from, 8};
    return tried(process_vm_readv(c->parent, &local, 1, &remote, 1, 0));
}
ATTEMPT(write_sibling_memory) {
    char from[8] = {0};
    static char to[8];
    struct iovec local = {from, 8}, remote = {to, 8};
    return tried(process_vm_writev(c->sibling, &local, 1, &remote, 1, 0));
}
ATTEMPT(compare_sibling) { return tried(syscall(SYS_kcmp, c->sibling, c->parent, 0, 0, 0)); }
ATTEMPT(slow_sibling) { return tried(setpriority(PRIO_PROCESS, (id_t)c->sibling, 19)); }
ATTEMPT(pin_sibling) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    return tried(sched_setaffinity(c->sibling, sizeof set, &set));
}
ATTEMPT(leave_group) { return tried(setpgid(0, 0)); }
ATTEMPT(leave_session) { return tried(setsid()); }

static int limit(int32_t process, int resource, rlim_t value) {
    struct rlimit wanted = {value, value};
    return tried(syscall(SYS_prlimit64, process, resource, &wanted, NULL));
}
ATTEMPT(raise_descriptors) {
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) < 0) return -errno;
    return limit(0, RLIMIT_NOFILE, now.rlim_max);
}
ATTEMPT(allow_core) {
    struct rlimit now;
    if (getrlimit(RLIMIT_CORE, &now) < 0) return -errno;
    return limit(0, RLIMIT_CORE, now.rlim_max);
}
ATTEMPT(lower_sibling) {
    struct rlimit now;
    return tried(syscall(SYS_prlimit64, c->sibling, RLIMIT_NOFILE, NULL, &now));
}

static void *mapped(int protection, int flags, int descriptor) { return mmap(NULL, 4096, protection, flags, descriptor, 0); }
ATTEMPT(make_executable) {
    void *page = mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    return page == MAP_FAILED ? -errno : tried(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}
ATTEMPT(make_executable_by_key) {
    void *page = mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    return page == MAP_FAILED ? -errno : tried(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1));
}
ATTEMPT(map_writable_executable) {
    return mapped(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1) == MAP_FAILED ? -errno : 0;
}
ATTEMPT(map_executable) { return mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1) == MAP_FAILED ? -errno : 0; }
ATTEMPT(map_file_writable_executable) {
    return mapped(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, c->memory) == MAP_FAILED ? -errno : 0;
}
ATTEMPT(map_file_executable) { return mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, c->program) == MAP_FAILED ? -errno : 0; }
ATTEMPT(read_implies_execute) { return tried(syscall(SYS_personality, 0x0400000)); }
ATTEMPT(read_personality) { return tried(syscall(SYS_personality, 0xffffffff)); }
ATTEMPT(make_memfd) { return tried(syscall(SYS_memfd_create, "m", 0)); }
ATTEMPT(seal_memfd) { return tried(fcntl(c->memory, F_ADD_SEALS, F_SEAL_WRITE)); }
ATTEMPT(lock_memory) {
    static char page[4096];
    return tried(mlock(page, sizeof page));
}
ATTEMPT(fault_handler) { return tried(syscall(SYS_userfaultfd, 1)); }
// System V objects outlive their maker: what an unconfined trial makes, it removes.
ATTEMPT(shared_memory) {
    long made = syscall(SYS_shmget, 0, 4096, 01600);
    return made < 0 ? -errno : tried(syscall(SYS_shmctl, made, 0, NULL));
}
ATTEMPT(message_queue) {
    long made = syscall(SYS_msgget, 0, 01600);
    return made < 0 ? -errno : tried(syscall(SYS_msgctl, made, 0, NULL));
}
ATTEMPT(semaphores) {
    long made = syscall(SYS_semget, 0, 1, 01600);
    return made < 0 ? -errno : tried(syscall(SYS_semctl, made, 0, 0, 0));
}
ATTEMPT(named_queue) {
    long made = syscall(SYS_mq_open, "mcpgw-escape", O_CREAT | O_RDWR, 0600, NULL);
    return made < 0 ? -errno : tried(syscall(SYS_mq_unlink, "mcpgw-escape"));
}

#define P(name, function, allowed) {"processes", name, function, allowed, 0}
#define M(name, function, allowed) {"memory", name, function, allowed, 0}
const escape_action process_actions[] = {
    P("fork", by_fork, 0),
    P("vfork", by_vfork, 0),
    P("clone3", by_clone3, 0),
    P("clone sharing files", by_clone_files, 0),
    P("clone with a namespace", by_clone_namespace, 0),
    P("start a thread", by_thread, THREADED),
    P("execve", by_execve, 0),
    P("execveat of a held program", by_execveat, 0),
    P("ptrace a sibling", trace_sibling, 0),
    P("ptrace: be traced", trace_me, 0),
    P("kill a sibling", kill_sibling, 0),
    P("kill the parent", kill_parent, 0),
    P("kill oneself (kill)", kill_self, 0),
    P("tgkill a sibling", tgkill_sibling, 0),
    P("tkill a sibling", tkill_sibling, 0),
    P("rt_sigqueueinfo to a sibling", queue_to_sibling, 0),
    P("F_SETOWN a sibling", own_sibling, 0),
    P("pidfd_open a sibling", open_pidfd, 0),
    P("pidfd_send_signal", signal_pidfd, 0),
    P("pidfd_getfd", steal_descriptor, 0),
    P("process_vm_readv the parent", read_parent_memory, 0),
    P("process_vm_writev a sibling", write_sibling_memory, 0),
    P("kcmp", compare_sibling, 0),
    P("setpriority of a sibling", slow_sibling, 0),
    P("sched_setaffinity of a sibling", pin_sibling, 0),
    P("setpgid", leave_group, 0),
    P("setsid", leave_session, 0),
    P("set the descriptor limit", raise_descriptors, 0),
    P("set the core limit", allow_core, 0),
    P("read a sibling's limits", lower_sibling, 0),
    M("mprotect to executable", make_executable, 0),
    M("pkey_mprotect to executable", make_executable_by_key, 0),
    M("mmap writable and executable", map_writable_executable, 0),
    M("mmap anonymous executable", map_executable, 0),
    M("mmap a memfd writable, executable", map_file_writable_executable, 0),
    M("mmap a program executable", map_file_executable, DIALER),
    M("personality", read_implies_execute, 0),
    M("personality, reading", read_personality, 0),
    M("memfd_create", make_memfd, 0),
    M("seal a memfd", seal_memfd, 0),
    M("mlock", lock_memory, 0),
    M("userfaultfd", fault_handler, 0),
    M("shmget", shared_memory, 0),
    M("msgget", message_queue, 0),
    M("semget", semaphores, 0),
    M("mq_open", named_queue, 0),
    {NULL},
};
