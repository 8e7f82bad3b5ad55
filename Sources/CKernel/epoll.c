#define _GNU_SOURCE
#include "ckernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

_Static_assert(CK_READ == EPOLLIN && CK_WRITE == EPOLLOUT && CK_ERROR == EPOLLERR && CK_HANGUP == EPOLLHUP &&
                   CK_PEER_ENDED == EPOLLRDHUP,
               "the kernel's own bits");
_Static_assert(sizeof(ck_piece) == sizeof(struct iovec) && offsetof(ck_piece, bytes) == offsetof(struct iovec, iov_base) &&
                   offsetof(ck_piece, size) == offsetof(struct iovec, iov_len),
               "a piece is a struct iovec");

int ck_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int control(int epoll, int operation, int fd, uint32_t events, uint32_t slot, uint32_t generation) {
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)generation << 32 | slot};
    return epoll_ctl(epoll, operation, fd, &event) < 0 ? -errno : 0;
}

int ck_epoll_add(int epoll, int fd, uint32_t events, uint32_t slot, uint32_t generation) {
    return control(epoll, EPOLL_CTL_ADD, fd, events, slot, generation);
}

int ck_epoll_change(int epoll, int fd, uint32_t events, uint32_t slot, uint32_t generation) {
    return control(epoll, EPOLL_CTL_MOD, fd, events, slot, generation);
}

int ck_epoll_remove(int epoll, int fd) { return control(epoll, EPOLL_CTL_DEL, fd, 0, 0, 0); }

int ck_epoll_wait(int epoll, ck_ready *ready, int timeout) {
    struct epoll_event events[CK_READY_MAXIMUM];
    int count = epoll_wait(epoll, events, CK_READY_MAXIMUM, timeout);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        ready[i] = (ck_ready){.events = events[i].events,
                              .slot = (uint32_t)events[i].data.u64,
                              .generation = (uint32_t)(events[i].data.u64 >> 32)};
    }
    return count;
}

int ck_accept(int listener) {
    int fd;
    do fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

ssize_t ck_receive(int fd, void *bytes, size_t size) {
    ssize_t count;
    do count = recv(fd, bytes, size, MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

ssize_t ck_send(int fd, const void *bytes, size_t size) {
    ssize_t count;
    do count = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

ssize_t ck_send_pieces(int fd, const ck_piece *pieces, int count) {
    // sendmsg reads the pieces only; its type just does not say so.
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
    ssize_t sent;
    do sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

void ck_no_delay(int fd) {
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int ck_peer_credentials(int fd, ck_credentials *peer) {
    socklen_t size = sizeof *peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) < 0 ? -errno : 0;
}
