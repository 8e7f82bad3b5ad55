#define _GNU_SOURCE
#include "csystemd.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void *symbol(const char *name) {
    static void *library;
    if (!library) library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}

// sd_notify waits while the manager's queue is full. A supervisor that waits for a stuck manager restarts nobody, so it looks first.
static bool queue_has_room(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length >= sizeof address.sun_path) return true;  // sd_notify knows what to say of it
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = 0;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/'));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return true;
    struct pollfd watched = {.fd = fd, .events = POLLOUT};
    bool full = connect(fd, (struct sockaddr *)&address, size) == 0 && poll(&watched, 1, 0) == 0;
    close(fd);
    return !full;
}

int cs_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path) return 0;
    if (!queue_has_room(path)) return -EAGAIN;
    int (*notify)(int, const char *) = (int (*)(int, const char *))symbol("sd_notify");
    return notify ? notify(0, state) : -ENOSYS;
}

int cs_watchdog(uint64_t *microseconds) {
    *microseconds = 0;
    if (!getenv("WATCHDOG_USEC")) return 0;
    int (*enabled)(int, uint64_t *) = (int (*)(int, uint64_t *))symbol("sd_watchdog_enabled");
    return enabled ? enabled(0, microseconds) : -ENOSYS;
}
