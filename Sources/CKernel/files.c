#define _GNU_SOURCE
#include "ckernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The raw call: glibc's is newfstatat, which a worker has not.
long ck_file_links(int fd) {
    struct stat status;
    return syscall(SYS_fstat, fd, &status) < 0 ? -errno : (long)status.st_nlink;
}

bool ck_is_same_file(int one, int other) {
    struct stat first, second;
    return syscall(SYS_fstat, one, &first) == 0 && syscall(SYS_fstat, other, &second) == 0
        && first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

long ck_directory_names(int directory, char *names, size_t size) {
    char chunk[8192] __attribute__((aligned(8)));
    size_t used = 0;
    if (lseek(directory, 0, SEEK_SET) < 0) return -errno;
    for (;;) {
        long count = syscall(SYS_getdents64, directory, chunk, sizeof chunk);
        if (count < 0) return -errno;
        if (count == 0) return (long)used;
        for (long at = 0; at < count;) {
            struct entry *entry = (struct entry *)(chunk + at);
            size_t length = strlen(entry->name) + 1;
            if (length > size - used) return -E2BIG;
            memcpy(names + used, entry->name, length);
            used += length;
            at += entry->size;
        }
    }
}

int ck_reserve(int fd, uint64_t size) {
    if (fallocate(fd, 0, 0, (off_t)size) == 0) return 0;
    if (errno != EOPNOTSUPP) return -errno;
    // A file system that cannot reserve: zeros do it.
    static const char zeros[65536];
    if (lseek(fd, 0, SEEK_SET) < 0) return -errno;
    for (uint64_t done = 0; done < size;) {
        size_t piece = size - done < sizeof zeros ? (size_t)(size - done) : sizeof zeros;
        ssize_t count = write(fd, zeros, piece);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return count < 0 ? -errno : -ENOSPC;
        done += (uint64_t)count;
    }
    return 0;
}
