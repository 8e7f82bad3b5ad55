// What a role has to be able to do still: a filter that refuses everything would pass every other test.
#include "private.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

ATTEMPT(pipes) {
    char byte;
    if (read(c->pipe_read, &byte, 1) != 1) return -errno;
    return tried(write(c->pipe_write, &byte, 1));
}
ATTEMPT(sockets) {
    int value = 1, error;
    socklen_t length = sizeof error;
    struct sockaddr_in peer;
    socklen_t peer_length = sizeof peer;
    if (setsockopt(c->stream, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) < 0) return -errno;
    if (getsockopt(c->stream, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
    if (getpeername(c->stream, (struct sockaddr *)&peer, &peer_length) < 0) return -errno;
    if (fcntl(c->stream, F_SETFL, O_NONBLOCK) < 0) return -errno;
    if (send(c->stream, "x", 1, MSG_NOSIGNAL) != 1) return -errno;
    struct iovec part = {"y", 1};
    if (writev(c->stream, &part, 1) != 1) return -errno;
    return tried(shutdown(c->stream, SHUT_WR));
}
ATTEMPT(receive_descriptor) {
    char byte;
    struct iovec part = {&byte, 1};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control,
    };
    if (recvmsg(c->link, &message, MSG_CMSG_CLOEXEC) != 1) return -errno;
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    if (first == NULL || first->cmsg_type != SCM_RIGHTS) return -EBADMSG;
    int memory;
    memcpy(&memory, CMSG_DATA(first), sizeof memory);
    // A segment: seals and size are checked, then it is mapped.
    struct stat status;
    if (fcntl(memory, F_GET_SEALS) != (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) return -EBADMSG;
    if (syscall(SYS_fstat, memory, &status) < 0) return -errno;
    char *page = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (page == MAP_FAILED) return -errno;
    page[0]++;
    return tried(munmap(page, (size_t)status.st_size));
}
ATTEMPT(heap) {
    for (size_t size = 16; size < 64u << 20; size *= 4) {
        char *block = malloc(size);
        if (block == NULL) return -errno;
        memset(block, 1, size);
        block = realloc(block, size * 2);
        free(block);
    }
    return 0;
}
static int ascending(const void *a, const void *b) { return *(const char *)a - *(const char *)b; }
ATTEMPT(library_quirks) {
    // glibc tries files and limits of its own accord: none of it may end the process.
    char text[4096];
    struct rlimit now;
    memset(text, 'b', sizeof text);
    qsort(text, sizeof text, 1, ascending);
    if (getrlimit(RLIMIT_NOFILE, &now) < 0) return -errno;
    if (fopen("/etc/localtime", "r") == NULL && errno != EACCES) return -errno;
    printf("%s", "");
    isatty(c->pipe_read);
    sysconf(_SC_NPROCESSORS_ONLN);
    prctl(PR_SET_NAME, "confined");
    getcwd(text, sizeof text);
    return 0;
}
ATTEMPT(limits_hold) {
    struct rlimit now;
    if (getrlimit(RLIMIT_CORE, &now) < 0 || now.rlim_max != 0) return -ERANGE;
    if (getrlimit(RLIMIT_AS, &now) < 0 || now.rlim_max != 4ull << 30) return -ERANGE;
    if (getrlimit(RLIMIT_MEMLOCK, &now) < 0 || now.rlim_max != 0) return -ERANGE;
    // Volatile: a compiler may take an allocation that nobody uses for granted.
    void *volatile much = malloc(5ul << 30);
    return much == NULL ? 0 : -ERANGE;
}
ATTEMPT(ending) {
    signal(SIGABRT, SIG_DFL);  // Swift's backtracer, where the environment switches it on, would want files and processes
    abort();
}
ATTEMPT(event_loop) {
    int loop = epoll_create1(EPOLL_CLOEXEC), wake = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop < 0 || wake < 0) return -errno;
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, wake, &event) < 0) return -errno;
    return epoll_wait(loop, &event, 1, -1) == 1 ? 0 : -errno;
}
ATTEMPT(poll_loop) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0) return -errno;
    int signal = signalfd(-1, &signals, SFD_CLOEXEC), wake = eventfd(1, EFD_CLOEXEC);
    if (signal < 0 || wake < 0) return -errno;
    struct pollfd watched[2] = {{signal, POLLIN, 0}, {wake, POLLIN, 0}};
    return poll(watched, 2, -1) == 1 ? 0 : -errno;
}
ATTEMPT(accept_one) {
    return tried(accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

static void *work(void *argument) {
    void *block = malloc(100000);
    if (block == NULL) return argument;
    memset(block, 1, 100000);
    free(block);
    return NULL;
}
ATTEMPT(helper_thread) {
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, work, "");
    if (failure != 0) return -failure;
    pthread_setname_np(thread, "helper");
    void *outcome;
    pthread_join(thread, &outcome);
    return outcome == NULL ? 0 : -ENOMEM;
}

static int resolve(const char *name, struct sockaddr_storage *address) {
    struct addrinfo wish = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int failure = getaddrinfo(name, "80", &wish, &list);
    if (failure != 0) return -EHOSTUNREACH;
    if (address != NULL) memcpy(address, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return 0;
}
ATTEMPT(resolve_localhost) { return resolve("localhost", NULL); }
static void *resolve_in_thread(void *outcome) {
    *(int *)outcome = resolve("localhost", NULL);
    return NULL;
}
ATTEMPT(resolve_in_four_threads) {
    pthread_t threads[4];
    int outcomes[4] = {1, 1, 1, 1};
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, resolve_in_thread, &outcomes[i]) != 0) return -EAGAIN;
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    return outcomes[0] | outcomes[1] | outcomes[2] | outcomes[3];
}
ATTEMPT(connect_loopback) {
    struct sockaddr_storage address;
    int failure = resolve("127.0.0.1", &address);
    if (failure < 0) return failure;
    ((struct sockaddr_in *)&address)->sin_port = htons(c->port);
    int out = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out < 0) return -errno;
    if (connect(out, (struct sockaddr *)&address, sizeof(struct sockaddr_in)) < 0 && errno != EINPROGRESS) return -errno;
    struct pollfd watched = {out, POLLOUT, 0};
    if (poll(&watched, 1, -1) != 1) return -errno;
    int error;
    socklen_t length = sizeof error;
    return getsockopt(out, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? -errno : -error;
}

static const struct {
    const char *name;
    int (*attempt)(const escape_context *);
    uint32_t needed;
    int signal;
} controls[] = {
    {"read and write held pipes", pipes, ALL_ROLES, 0},
    {"use a held connection", sockets, ALL_ROLES, 0},
    {"receive a segment and map it", receive_descriptor, ALL_ROLES, 0},
    {"allocate", heap, ALL_ROLES, 0},
    {"call libc that tries files", library_quirks, ALL_ROLES, 0},
    {"limits hold", limits_hold, ALL_ROLES, 0},
    {"abort", ending, ALL_ROLES, SIGABRT},
    {"run an event loop", event_loop, ACCEPTING | ROUTE, 0},
    {"run a poll loop", poll_loop, POLLING, 0},
    {"accept", accept_one, ACCEPTING, 0},
    {"start a helper thread", helper_thread, THREADED, 0},
    {"resolve localhost", resolve_localhost, DIALER, 0},
    {"resolve in four threads", resolve_in_four_threads, DIALER, 0},
    {"connect to loopback", connect_loopback, DIALER, 0},
};

uint32_t escape_control_count(void) { return sizeof controls / sizeof controls[0]; }
const char *escape_control_name(uint32_t control) { return controls[control].name; }
uint32_t escape_control_needed(uint32_t control) { return controls[control].needed; }
int32_t escape_control_signal(uint32_t control) { return controls[control].signal; }
int32_t escape_try_control(uint32_t control) { return controls[control].attempt(escape_held); }
