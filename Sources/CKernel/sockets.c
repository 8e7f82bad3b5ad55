#define _GNU_SOURCE
#include "ckernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(int fd) {
    int error = errno;
    if (fd >= 0) close(fd);
    return -error;
}

int ck_listen_tcp(const char *address, uint16_t port, int backlog) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound;
    memset(&bound, 0, sizeof bound);
    socklen_t length;
    if (inet_pton(AF_INET, address, &bound.v4.sin_addr) == 1) {
        bound.v4.sin_family = AF_INET;
        bound.v4.sin_port = htons(port);
        length = sizeof bound.v4;
    } else if (inet_pton(AF_INET6, address, &bound.v6.sin6_addr) == 1) {
        bound.v6.sin6_family = AF_INET6;
        bound.v6.sin6_port = htons(port);
        length = sizeof bound.v6;
    } else {
        return -EINVAL;
    }
    int fd = socket(bound.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) return fail(fd);
    if (bind(fd, &bound.any, length) < 0 || listen(fd, backlog) < 0) return fail(fd);
    return fd;
}

static int unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) return -ENAMETOOLONG;
    strcpy(address->sun_path, path);
    return 0;
}

int ck_listen_unix(const char *path, mode_t mode, int backlog) {
    struct sockaddr_un address;
    int result = unix_address(path, &address);
    if (result < 0) return result;
    struct stat existing;
    if (lstat(path, &existing) == 0) {
        if (!S_ISSOCK(existing.st_mode)) return -EEXIST;
        if (unlink(path) < 0) return -errno;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    mode_t before = umask(~mode & 0777);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    int error = errno;
    umask(before);
    errno = error;
    if (bound < 0 || listen(fd, backlog) < 0) return fail(fd);
    return fd;
}

bool ck_is_listening(int fd) {
    int listening = 0, type = 0;
    socklen_t size = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0) return false;
    size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return false;
    return listening && type == SOCK_STREAM;
}

int ck_local_address(int fd, char *text, size_t size, uint16_t *port) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
        struct sockaddr_storage storage;
    } address;
    memset(&address, 0, sizeof address);
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length) < 0) return -errno;
    *port = 0;
    text[0] = 0;
    switch (address.any.sa_family) {
    case AF_INET:
        *port = ntohs(address.v4.sin_port);
        inet_ntop(AF_INET, &address.v4.sin_addr, text, (socklen_t)size);
        break;
    case AF_INET6:
        *port = ntohs(address.v6.sin6_port);
        inet_ntop(AF_INET6, &address.v6.sin6_addr, text, (socklen_t)size);
        break;
    case AF_UNIX:
        strncpy(text, address.local.sun_path, size - 1);
        text[size - 1] = 0;
        break;
    default: return -EAFNOSUPPORT;
    }
    return address.any.sa_family;
}

int ck_connect_start(const ck_address *address) {
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int on = 1;
    if (family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address->storage, address->length) < 0 && errno != EINPROGRESS) return fail(fd);
    return fd;
}

int ck_connect_unix_start(const char *path) {
    ck_address address;
    int result = unix_address(path, (struct sockaddr_un *)&address.storage);
    address.length = sizeof(struct sockaddr_un);
    return result < 0 ? result : ck_connect_start(&address);
}

bool ck_numeric_address(const char *host, uint16_t port, ck_address *address) {
    memset(address, 0, sizeof *address);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address->length = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        address->length = sizeof *v6;
        return true;
    }
    return false;
}

int ck_resolve(const char *host, uint16_t port, ck_address *addresses, int capacity) {
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int result = getaddrinfo(host, service, &hints, &list);
    if (result != 0) return result < 0 ? result : -result;
    int count = 0;
    for (struct addrinfo *entry = list; entry && count < capacity; entry = entry->ai_next) {
        if (entry->ai_addrlen > sizeof addresses[count].storage) continue;
        memset(&addresses[count], 0, sizeof addresses[count]);
        memcpy(&addresses[count].storage, entry->ai_addr, entry->ai_addrlen);
        addresses[count].length = entry->ai_addrlen;
        count++;
    }
    freeaddrinfo(list);
    return count;
}

const char *ck_resolve_error(int code) { return gai_strerror(code); }

int ck_connect_result(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
    return -error;
}
