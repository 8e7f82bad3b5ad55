#define _GNU_SOURCE
#include "ckernel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

int ck_stream_pair(int pair[2], int buffer) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) return -errno;
    for (int i = 0; i < 2; i++) {
        // The kernel caps this at wmem_max without privilege; a smaller buffer only costs system calls.
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        setsockopt(pair[i], SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        // Bytes only, since Linux 6.16: whoever sends a descriptor to such a socket gets EPERM, so none can be parked here. Older kernels do not know the option.
        setsockopt(pair[i], SOL_SOCKET, SO_PASSRIGHTS, &(int){0}, sizeof(int));
    }
    return 0;
}

int ck_packet_pair(int pair[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ? -errno : 0;
}

int ck_send_descriptors(int socket, uint64_t ticket, const int *fds, int count) {
    if (count < 1 || count > 4) return -EINVAL;
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct iovec data = {.iov_base = &ticket, .iov_len = sizeof ticket};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, (size_t)count * sizeof(int));
    ssize_t n;
    do n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int ck_receive_descriptors(int socket, uint64_t *ticket, int fds[4]) {
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec data = {.iov_base = ticket, .iov_len = sizeof *ticket};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    int count = 0;
    bool good = n == (ssize_t)sizeof *ticket && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
            good = false;
            continue;
        }
        int here = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < here && count < 4; i++) memcpy(&fds[count++], CMSG_DATA(h) + (size_t)i * sizeof(int), sizeof(int));
    }
    if (good && count > 0) return count;
    for (int i = 0; i < count; i++) close(fds[i]);
    return -EBADMSG;
}

int ck_set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    return 0;
}

int ck_duplicate(int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

bool ck_is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

_Static_assert(sizeof(ck_credentials) == sizeof(struct ucred), "the kernel writes a struct ucred");

int ck_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

int ck_event_descriptor(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}
