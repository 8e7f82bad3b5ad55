// What an attempt is given, and processes.
#include "private.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static escape_context held;
const escape_context *const escape_held = &held;

static const escape_action *const lists[] = {file_actions, process_actions, network_actions, kernel_actions};

static const escape_action *action_at(uint32_t index) {
    for (size_t list = 0; list < sizeof lists / sizeof lists[0]; list++)
        for (const escape_action *each = lists[list]; each->group != NULL; each++)
            if (index-- == 0) return each;
    return NULL;
}

uint32_t escape_action_count(void) {
    uint32_t count = 0;
    while (action_at(count) != NULL) count++;
    return count;
}
const char *escape_action_group(uint32_t action) { return action_at(action)->group; }
const char *escape_action_name(uint32_t action) { return action_at(action)->name; }
uint32_t escape_action_allowed(uint32_t action) { return action_at(action)->allowed; }
int32_t escape_action_dialer_abi(uint32_t action) { return action_at(action)->dialer_abi; }
int32_t escape_try_action(uint32_t action) { return action_at(action)->attempt(&held); }

static int listening(struct sockaddr_in *address) {
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(socket_, (struct sockaddr *)address, length) < 0 || listen(socket_, 16) < 0) return -1;
    getsockname(socket_, (struct sockaddr *)address, &length);
    return socket_;
}

static int connected(const struct sockaddr_in *address) {
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(socket_, (const struct sockaddr *)address, sizeof *address) < 0 ? -1 : socket_;
}

static int segment(void) {
    int memory = (int)syscall(SYS_memfd_create, "segment", 2);  // MFD_ALLOW_SEALING
    if (memory < 0 || ftruncate(memory, 4096) < 0) return -1;
    return fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -1 : memory;
}

static int link_with_segment(void) {
    int ends[2], memory = segment();
    if (memory < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -1;
    struct iovec part = {"d", 1};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {{0}};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control,
    };
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &memory, sizeof memory);
    if (sendmsg(ends[1], &message, 0) != 1) return -1;
    close(memory);
    close(ends[1]);
    return ends[0];
}

static int abstract_listener(char *name, size_t room) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static int serial = 0;  // a process that an unconfined attempt left behind may hold the last one for a moment
    snprintf(name, room, "mcpgw-escape-%d-%d", getpid(), serial++);
    memcpy(address.sun_path + 1, name, strlen(name));
    int socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    return bind(socket_, (struct sockaddr *)&address, length) < 0 || listen(socket_, 4) < 0 ? -1 : socket_;
}

static int first_descriptor = -1;

int32_t escape_prepare(void) {
    escape_context *c = &held;
    struct sockaddr_in address, other;
    int pipe_[2];
    memset(c, 0, sizeof *c);
    first_descriptor = dup(0);
    c->parent = getpid();
    c->sibling = fork();
    if (c->sibling == 0) {
        syscall(SYS_close_range, 0, ~0u, 0);  // the pipe on which the attempt reports has to end with the attempt
        for (;;) pause();
    }
    c->pidfd = (int32_t)syscall(SYS_pidfd_open, c->sibling, 0);
    c->listener = listening(&address);
    connected(&address);  // one waits to be accepted
    int there = listening(&other);
    c->port = ntohs(other.sin_port);
    c->stream = connected(&other);
    c->unconnected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (pipe(pipe_) < 0 || write(pipe_[1], "x", 1) != 1) return -errno;
    c->pipe_read = pipe_[0];
    c->pipe_write = pipe_[1];
    c->memory = segment();
    c->program = open("/bin/true", O_RDONLY);
    c->network = open("/proc/self/ns/net", O_RDONLY);
    c->link = link_with_segment();
    snprintf(c->scratch, sizeof c->scratch, "/tmp/mcpgw-escape-XXXXXX");
    if (mkdtemp(c->scratch) == NULL) return -errno;
    c->directory = open(c->scratch, O_RDONLY | O_DIRECTORY);
    int victim = openat(c->directory, "victim", O_WRONLY | O_CREAT, 0600);
    if (write(victim, "victim", 6) != 6) return -errno;
    close(victim);
    if (abstract_listener(c->abstract, sizeof c->abstract) < 0) return -errno;
    const int made[] = {c->sibling, c->pidfd, c->listener, there, c->stream, c->unconnected, c->datagram, c->memory, c->program,
                        c->network, c->link, c->directory};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        if (made[i] < 0) return -EIO;
    return 0;
}

void escape_finish(void) {
    const escape_context *c = &held;
    kill(c->sibling, SIGKILL);
    waitpid(c->sibling, NULL, 0);
    const char *names[] = {"victim", "new", "other", "s", "h", "f"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unlinkat(c->directory, names[i], 0);
    unlinkat(c->directory, "d", AT_REMOVEDIR);
    rmdir(c->scratch);
    // Everything above the first descriptor this context made.
    syscall(SYS_close_range, first_descriptor, ~0u, 0);
}

int32_t escape_fork(void) { return fork(); }

int32_t escape_wait(int32_t child) {
    int status;
    if (waitpid(child, &status, 0) < 0) return -errno;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void escape_tell(int descriptor, int32_t value) {
    if (write(descriptor, &value, sizeof value) < 0) _exit(99);
}

int32_t escape_hear(int descriptor) {
    int32_t value;
    return read(descriptor, &value, sizeof value) == sizeof value ? value : INT32_MIN;
}

int escape_ends_within(int descriptor, int milliseconds) {
    struct pollfd watched = {descriptor, POLLIN, 0};
    return poll(&watched, 1, milliseconds) == 1 && escape_hear(descriptor) == INT32_MIN;
}

void escape_shield(void) {
    // Not for others than root: they have no right to any of it, and nothing of theirs reaches the host's namespaces.
    if (geteuid() == 0) unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC);
}

static void *waiting(void *argument) {
    for (;;) sleep(1000);  // not pause(): confined threads may not
    return argument;
}

int escape_start_thread(void) {
    pthread_t thread;
    return -pthread_create(&thread, NULL, waiting, NULL);
}
