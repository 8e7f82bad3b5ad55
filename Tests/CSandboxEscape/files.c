// Files and mounts.
#include "private.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *beneath(const escape_context *c, const char *name) {
    static char path[192];
    snprintf(path, sizeof path, "%s/%s", c->scratch, name);
    return path;
}

static int opened(const char *path, int flags) { return tried(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600)); }

ATTEMPT(read_etc) { return opened("/etc/passwd", O_RDONLY); }
ATTEMPT(read_program) { return opened("/usr/bin/env", O_RDONLY); }
ATTEMPT(read_root) { return opened("/", O_RDONLY | O_DIRECTORY); }
ATTEMPT(read_scratch) { return opened(beneath(c, "victim"), O_RDONLY); }
ATTEMPT(read_below_held) { return tried(syscall(SYS_openat, c->directory, "victim", O_RDONLY)); }
ATTEMPT(write_scratch) { return opened(beneath(c, "victim"), O_WRONLY); }
ATTEMPT(create) { return opened(beneath(c, "new"), O_WRONLY | O_CREAT); }
ATTEMPT(create_unnamed) { return opened(c->scratch, O_TMPFILE | O_RDWR); }
ATTEMPT(open_truncating) { return opened(beneath(c, "victim"), O_RDONLY | O_TRUNC); }
ATTEMPT(open_path_only) { return opened(beneath(c, "victim"), O_PATH); }
ATTEMPT(open_by_openat2) {
    struct open_how how = {.flags = O_RDONLY};
    return tried(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how));
}
ATTEMPT(open_by_handle) {
    struct {
        struct file_handle head;
        char body[128];
    } handle = {.head = {.handle_bytes = 128}};
    int mount;
    if (syscall(SYS_name_to_handle_at, c->directory, "victim", &handle, &mount, 0) < 0) return -errno;
    return tried(syscall(SYS_open_by_handle_at, c->directory, &handle, O_RDONLY));
}
ATTEMPT(stat_path) {
    struct stat s;
    return tried(syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &s, 0));
}
ATTEMPT(statx_path) {
    char buffer[256];
    return tried(syscall(SYS_statx, AT_FDCWD, "/etc/passwd", 0, 0x7ff, buffer));
}
ATTEMPT(access_path) { return tried(syscall(SYS_faccessat, AT_FDCWD, "/etc/passwd", R_OK)); }
ATTEMPT(read_link) {
    char buffer[256];
    return tried(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", buffer, sizeof buffer));
}
ATTEMPT(list_held) {
    char buffer[512];
    return tried(syscall(SYS_getdents64, c->directory, buffer, sizeof buffer));
}
ATTEMPT(truncate_path) { return tried(truncate(beneath(c, "victim"), 0)); }
ATTEMPT(make_directory) { return tried(mkdir(beneath(c, "d"), 0700)); }
ATTEMPT(unlink_path) { return tried(unlink(beneath(c, "victim"))); }
ATTEMPT(unlink_below_held) { return tried(unlinkat(c->directory, "victim", 0)); }
ATTEMPT(rename_path) {
    char from[192];
    strcpy(from, beneath(c, "victim"));
    return tried(rename(from, beneath(c, "other")));
}
ATTEMPT(link_symbolic) { return tried(symlink("/etc/passwd", beneath(c, "s"))); }
ATTEMPT(link_hard) {
    char from[192];
    strcpy(from, beneath(c, "victim"));
    return tried(link(from, beneath(c, "h")));
}
ATTEMPT(change_mode) { return tried(chmod(beneath(c, "victim"), 0777)); }
ATTEMPT(change_mode_held) { return tried(fchmod(c->directory, 0777)); }
ATTEMPT(change_owner) { return tried(chown(beneath(c, "victim"), getuid(), getgid())); }
ATTEMPT(make_fifo) { return tried(mknod(beneath(c, "f"), S_IFIFO | 0600, 0)); }
ATTEMPT(set_attribute) { return tried(syscall(SYS_setxattr, beneath(c, "victim"), "user.a", "b", 1, 0)); }
ATTEMPT(change_directory) { return tried(syscall(SYS_chdir, "/tmp")); }
ATTEMPT(change_directory_held) { return tried(fchdir(c->directory)); }
ATTEMPT(change_root) { return tried(chroot("/tmp")); }
ATTEMPT(watch) { return tried(syscall(SYS_inotify_init1, 0)); }
ATTEMPT(copy_range) { return tried(syscall(SYS_copy_file_range, c->memory, NULL, c->memory, NULL, 1, 0)); }
ATTEMPT(write_own_memory) { return opened("/proc/self/mem", O_RDWR); }
ATTEMPT(write_kernel_setting) { return opened("/proc/sys/kernel/hostname", O_WRONLY); }
ATTEMPT(write_oom_score) { return opened("/proc/self/oom_score_adj", O_WRONLY); }
ATTEMPT(read_parent_environment) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", c->parent);
    return opened(path, O_RDONLY);
}
ATTEMPT(mount_tmpfs) { return tried(mount("tmpfs", "/tmp", "tmpfs", 0, NULL)); }
ATTEMPT(mount_bind) { return tried(mount("/", "/tmp", NULL, MS_BIND, NULL)); }
ATTEMPT(remount_writable) { return tried(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL)); }
ATTEMPT(unmount) { return tried(umount2("/proc", MNT_DETACH)); }
ATTEMPT(open_file_system) { return tried(syscall(430, "tmpfs", 0)); }
ATTEMPT(open_mount_tree) { return tried(syscall(428, AT_FDCWD, "/", 1)); }
ATTEMPT(pivot) {
    if (mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0) return -errno;
    if (chdir("/tmp") < 0) return -errno;
    return tried(syscall(SYS_pivot_root, ".", "."));
}

#define F(name, function, allowed, abi) {"files", name, function, allowed, abi}
const escape_action file_actions[] = {
    F("open /etc/passwd", read_etc, DIALER, 0),
    F("open /usr/bin/env", read_program, 0, 1),
    F("open the root directory", read_root, 0, 1),
    F("open a file of its user", read_scratch, 0, 1),
    F("open beneath a held directory", read_below_held, 0, 1),
    F("open for writing", write_scratch, 0, 0),
    F("create a file", create, 0, 0),
    F("create an unnamed file", create_unnamed, 0, 0),
    F("open and truncate", open_truncating, 0, 0),
    F("open a path only (O_PATH)", open_path_only, DIALER, 0),
    F("openat2", open_by_openat2, 0, 0),
    F("open_by_handle_at", open_by_handle, 0, 0),
    F("stat", stat_path, DIALER, 0),
    F("statx", statx_path, DIALER, 0),
    F("access", access_path, DIALER, 0),
    F("readlink", read_link, DIALER, 0),
    F("list a held directory", list_held, DIALER | RECORDER, 0),
    F("truncate", truncate_path, 0, 0),
    F("mkdir", make_directory, 0, 0),
    F("unlink", unlink_path, 0, 0),
    F("unlink beneath a held directory", unlink_below_held, 0, 0),
    F("rename", rename_path, 0, 0),
    F("symlink", link_symbolic, 0, 0),
    F("link", link_hard, 0, 0),
    F("chmod", change_mode, 0, 0),
    F("chmod of a held directory", change_mode_held, 0, 0),
    F("chown", change_owner, 0, 0),
    F("mkfifo", make_fifo, 0, 0),
    F("setxattr", set_attribute, 0, 0),
    F("chdir", change_directory, 0, 0),
    F("fchdir", change_directory_held, 0, 0),
    F("chroot", change_root, 0, 0),
    F("inotify", watch, 0, 0),
    F("copy_file_range", copy_range, 0, 0),
    F("write /proc/self/mem", write_own_memory, 0, 0),
    F("write /proc/sys", write_kernel_setting, 0, 0),
    F("write /proc/self/oom_score_adj", write_oom_score, 0, 0),
    F("read /proc/<parent>/environ", read_parent_environment, 0, 1),
    F("mount tmpfs", mount_tmpfs, 0, 0),
    F("mount --bind", mount_bind, 0, 0),
    F("remount / writable", remount_writable, 0, 0),
    F("umount", unmount, 0, 0),
    F("fsopen", open_file_system, 0, 0),
    F("open_tree", open_mount_tree, 0, 0),
    F("pivot_root", pivot, 0, 0),
    {NULL},
};
