// The kernel's other doors: namespaces, identities, privileges, and calls of foreign conventions.
//
// Calls that would harm the machine get arguments that the kernel refuses after its check of privileges: an answer such as EINVAL or
// EFAULT means that the check was passed, and counts as an escape.
#include "private.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/aio_abi.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

ATTEMPT(leave_user) { return tried(unshare(CLONE_NEWUSER)); }
ATTEMPT(leave_mount) { return tried(unshare(CLONE_NEWNS)); }
ATTEMPT(leave_network) { return tried(unshare(CLONE_NEWNET)); }
ATTEMPT(leave_ipc) { return tried(unshare(CLONE_NEWIPC)); }
ATTEMPT(leave_uts) { return tried(unshare(CLONE_NEWUTS)); }
ATTEMPT(leave_pid) { return tried(unshare(CLONE_NEWPID)); }
ATTEMPT(leave_cgroup) { return tried(unshare(CLONE_NEWCGROUP)); }
ATTEMPT(leave_time) { return tried(unshare(0x80)); }
ATTEMPT(leave_files) { return tried(unshare(CLONE_FILES)); }
ATTEMPT(enter_network) { return tried(setns(c->network, CLONE_NEWNET)); }

ATTEMPT(ring) {
    char parameters[120] = {0};
    return tried(syscall(SYS_io_uring_setup, 1, parameters));
}
ATTEMPT(ring_enter) { return tried(syscall(SYS_io_uring_enter, c->pipe_read, 0, 0, 0, NULL, 0)); }
ATTEMPT(asynchronous_io) {
    aio_context_t context = 0;
    return tried(syscall(SYS_io_setup, 1, &context));
}
ATTEMPT(load_bpf) {
    struct {
        uint32_t type, key, value, entries, rest[26];
    } map = {.type = 2, .key = 4, .value = 4, .entries = 1};
    return tried(syscall(SYS_bpf, 0, &map, sizeof map));
}
ATTEMPT(count_events) {
    char attributes[64] = {1};
    attributes[4] = 64;
    return tried(syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
}
ATTEMPT(key_control) { return tried(syscall(SYS_keyctl, 0, -3, 0, 0, 0)); }
ATTEMPT(key_add) { return tried(syscall(SYS_add_key, "user", "mcpgw-escape", "x", 1, -2)); }
ATTEMPT(key_request) { return tried(syscall(SYS_request_key, "user", "mcpgw-escape", NULL, 0)); }
ATTEMPT(module_load) { return tried(syscall(SYS_init_module, NULL, 0, "")); }
ATTEMPT(module_load_file) { return tried(syscall(SYS_finit_module, -1, "", 0)); }
ATTEMPT(module_remove) { return tried(syscall(SYS_delete_module, "mcpgw_no_such", O_NONBLOCK)); }
ATTEMPT(kernel_replace) { return tried(syscall(SYS_kexec_load, 0, 0xffff, NULL, 0xffffffff)); }
ATTEMPT(restart) { return tried(syscall(SYS_reboot, 1, 2, 3, NULL)); }
ATTEMPT(swap) { return tried(syscall(SYS_swapon, "/no/such/file", 0)); }
ATTEMPT(accounting) { return tried(syscall(SYS_acct, "/no/such/file")); }
ATTEMPT(quota) { return tried(syscall(SYS_quotactl, 0x800001 << 8, NULL, 0, NULL)); }
ATTEMPT(kernel_log) { return tried(syscall(SYS_syslog, 10, NULL, 0)); }
ATTEMPT(host_name) { return tried(sethostname("escaped", 7)); }
ATTEMPT(domain_name) { return tried(syscall(SYS_setdomainname, "escaped", 7)); }
ATTEMPT(set_clock) {
    struct timespec bad = {0, -1};
    return tried(syscall(SYS_clock_settime, CLOCK_REALTIME, &bad));
}
ATTEMPT(watch_all) { return tried(syscall(SYS_fanotify_init, 0, 0)); }

ATTEMPT(change_user) { return tried(syscall(SYS_setuid, getuid())); }
ATTEMPT(change_users) { return tried(syscall(SYS_setresuid, -1, -1, -1)); }
ATTEMPT(change_group) { return tried(syscall(SYS_setgid, getgid())); }
ATTEMPT(change_groups) { return tried(syscall(SYS_setgroups, 0, NULL)); }
ATTEMPT(change_file_user) {
    // setfsuid itself never fails, it answers the present user: only a filter makes it -1.
    return tried(syscall(SYS_setfsuid, -1));
}
ATTEMPT(gain_capabilities) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2] = {{0}, {0}};
    return tried(syscall(SYS_capset, &header, sets));
}
ATTEMPT(read_capabilities) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, c->sibling};
    struct __user_cap_data_struct sets[2];
    return tried(syscall(SYS_capget, &header, sets));
}
ATTEMPT(become_dumpable) { return tried(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }
ATTEMPT(outlive_parent) { return tried(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)); }
ATTEMPT(keep_capabilities) { return tried(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0)); }
ATTEMPT(adopt_orphans) { return tried(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); }
ATTEMPT(another_filter) { return tried(syscall(SYS_seccomp, 2, 0, &(uint32_t){0x80000000})); }
ATTEMPT(another_domain) { return tried(syscall(444, NULL, 0, 1)); }
ATTEMPT(push_input) { return tried(ioctl(c->pipe_read, TIOCSTI, "x")); }
ATTEMPT(own_terminal) { return tried(ioctl(c->pipe_read, TIOCSCTTY, 0)); }
ATTEMPT(timer_signal) {
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    int timer;
    return tried(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
}
ATTEMPT(splice_pipe) { return tried(syscall(SYS_splice, c->pipe_read, NULL, c->stream, NULL, 1, 2)); }
ATTEMPT(memory_policy) { return tried(syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0)); }
ATTEMPT(system_name) {
    char buffer[512];
    return tried(syscall(SYS_uname, buffer));
}
ATTEMPT(unknown_call) { return tried(syscall(9999)); }

#ifdef __x86_64__
ATTEMPT(call_i386) {
    long result = 20;  // getpid of i386
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    if (result < 0) errno = (int)-result;
    return result < 0 ? tried(-1) : 0;
}
ATTEMPT(call_i386_execve) {
    long result = 11;
    __asm__ volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory");
    if (result < 0) errno = (int)-result;
    return result < 0 ? tried(-1) : 0;
}
ATTEMPT(call_x32) { return tried(syscall(0x40000000 | 39)); }
ATTEMPT(call_x32_open) { return tried(syscall(0x40000000 | 2, "/etc/passwd", 0)); }
ATTEMPT(port_access) { return tried(syscall(SYS_ioperm, 0x80, 1, 0)); }
ATTEMPT(port_level) { return tried(syscall(SYS_iopl, 0)); }
ATTEMPT(local_descriptors) {
    char buffer[64];
    return tried(syscall(SYS_modify_ldt, 0, buffer, sizeof buffer));
}
#endif

#define S(name, function, allowed) {"namespaces", name, function, allowed, 0}
#define K(name, function, allowed) {"kernel", name, function, allowed, 0}
#define I(name, function, allowed) {"privileges", name, function, allowed, 0}
const escape_action kernel_actions[] = {
    S("unshare user", leave_user, 0),
    S("unshare mount", leave_mount, 0),
    S("unshare network", leave_network, 0),
    S("unshare ipc", leave_ipc, 0),
    S("unshare uts", leave_uts, 0),
    S("unshare pid", leave_pid, 0),
    S("unshare cgroup", leave_cgroup, 0),
    S("unshare time", leave_time, 0),
    S("unshare files", leave_files, 0),
    S("setns to the host's network", enter_network, 0),
    K("io_uring_setup", ring, 0),
    K("io_uring_enter", ring_enter, 0),
    K("io_setup", asynchronous_io, 0),
    K("bpf", load_bpf, 0),
    K("perf_event_open", count_events, 0),
    K("keyctl", key_control, 0),
    K("add_key", key_add, 0),
    K("request_key", key_request, 0),
    K("init_module", module_load, 0),
    K("finit_module", module_load_file, 0),
    K("delete_module", module_remove, 0),
    K("kexec_load", kernel_replace, 0),
    K("reboot", restart, 0),
    K("swapon", swap, 0),
    K("acct", accounting, 0),
    K("quotactl", quota, 0),
    K("syslog", kernel_log, 0),
    K("sethostname", host_name, 0),
    K("setdomainname", domain_name, 0),
    K("clock_settime", set_clock, 0),
    K("fanotify_init", watch_all, 0),
    I("setuid", change_user, 0),
    I("setresuid", change_users, 0),
    I("setgid", change_group, 0),
    I("setgroups", change_groups, 0),
    I("setfsuid", change_file_user, 0),
    I("capset", gain_capabilities, 0),
    I("capget of a sibling", read_capabilities, 0),
    I("prctl: become dumpable", become_dumpable, 0),
    I("prctl: outlive the parent", outlive_parent, 0),
    I("prctl: keep capabilities", keep_capabilities, 0),
    I("prctl: adopt orphans", adopt_orphans, 0),
    I("seccomp: another filter", another_filter, 0),
    I("landlock: ask for the version", another_domain, 0),
    K("ioctl TIOCSTI", push_input, 0),
    K("ioctl TIOCSCTTY", own_terminal, 0),
    K("timer_create", timer_signal, 0),
    K("splice", splice_pipe, 0),
    K("get_mempolicy", memory_policy, 0),
    K("uname", system_name, DIALER),
    K("a number nobody has", unknown_call, 0),
#ifdef __x86_64__
    K("getpid by int 0x80 (i386)", call_i386, 0),
    K("execve by int 0x80 (i386)", call_i386_execve, 0),
    K("getpid by x32", call_x32, 0),
    K("open by x32", call_x32_open, 0),
    K("ioperm", port_access, 0),
    K("iopl", port_level, 0),
    K("modify_ldt", local_descriptors, 0),
#endif
    {NULL},
};
