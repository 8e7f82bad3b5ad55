// Process and kernel calls that Swift cannot make itself: fork and exec by descriptor, SCM_RIGHTS, memfds, signals, atomics on
// shared memory. Every function returns -errno on failure and never touches errno otherwise. Descriptors made here are CLOEXEC.
#ifndef CKERNEL_H
#define CKERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// --- process.c: starting, naming and reaping

// Descriptor of the running program's own file, for ck_spawn.
int ck_open_own_image(void);

// Forks and executes `image` with exactly `count` descriptors: `fds[i]` becomes descriptor i; everything else is closed. SIGHUP and SIGINT are
// ignored and all signals unblocked. `death_signal` (0: none) is sent to the child when the calling thread ends. Returns the pid, or -errno of
// whatever failed, exec included.
pid_t ck_spawn(int image, char *const argv[], char *const envp[], const int *fds, int count, int death_signal);

// The name shown by ps and matched by pgrep (15 bytes at most).
void ck_set_name(const char *name);

// Freed memory up to `trim` bytes stays with the process, and blocks below `separate` bytes come from it: for a worker that takes and
// gives back large buffers all the time, to which the kernel would otherwise hand new, empty pages each time.
void ck_keep_memory(int trim, int separate);
// Bytes of the heap that are in use, without what malloc keeps for later.
uint64_t ck_heap_bytes(void);

// Not dumpable, no core file: memory of this process stays its own.
int ck_protect_memory(void);

// Becomes another account for good: supplementary groups, then gid, then uid; checks that there is no way back.
int ck_become_user(const char *name, uid_t uid, gid_t gid);

// The ids of an account; -ENOENT if there is none.
int ck_find_user(const char *name, uid_t *uid, gid_t *gid);

// Reaps one ended child without waiting: its pid, 0 if none has ended, -ECHILD if there are none. `status` is as waitpid gives it.
pid_t ck_reap(int *status);

// The exit code of `status`, or -1; the signal, or 0.
int ck_exit_code(int status);
int ck_exit_signal(int status);

// Blocks SIGTERM, SIGINT, SIGHUP and SIGCHLD, ignores SIGPIPE, and returns a non-blocking signalfd for the four.
int ck_signal_descriptor(void);

// The next pending signal of a signalfd, 0 if none.
int ck_next_signal(int fd);

// Soft limit of open descriptors, raised towards `wanted` as far as the hard limit allows; returns the limit that holds.
long ck_raise_descriptor_limit(long wanted);

// --- descriptors.c: socket pairs and descriptor passing

// A pair of connected non-blocking stream sockets with buffers of `buffer` bytes.
int ck_stream_pair(int pair[2], int buffer);

// A pair of connected non-blocking sequenced-packet sockets, for descriptors.
int ck_packet_pair(int pair[2]);

// Sends `ticket` with `count` descriptors as one packet.
int ck_send_descriptors(int socket, uint64_t ticket, const int *fds, int count);

// Receives one packet: the number of descriptors stored in `fds` (at most 4). Descriptors come CLOEXEC. -EBADMSG if the packet is malformed.
int ck_receive_descriptors(int socket, uint64_t *ticket, int fds[4]);

int ck_set_nonblocking(int fd);
int ck_duplicate(int fd);

// Whether the descriptor is open.
bool ck_is_open(int fd);

// What SO_PEERCRED answers (struct ucred, which glibc shows to GNU sources only).
typedef struct {
    pid_t pid;
    uid_t uid;
    gid_t gid;
} ck_credentials;

// A pipe: ends[0] reads, ends[1] writes.
int ck_pipe(int ends[2]);

// A non-blocking eventfd.
int ck_event_descriptor(void);

// --- files.c: what the recorder does with files and glibc does by calls that a confined worker has not

// How many names a file has; 0: it was removed.
long ck_file_links(int fd);

// Whether two descriptors are of one file.
bool ck_is_same_file(int one, int other);

// The names in a directory, each with a NUL behind it; the number of bytes stored. -E2BIG if `size` is not enough.
long ck_directory_names(int directory, char *names, size_t size);

// Makes sure that a file's first `size` bytes are on disk space of its own.
int ck_reserve(int fd, uint64_t size);

// --- sockets.c: listening and connecting

// A bound, listening TCP socket on a numeric IPv4 or IPv6 address.
int ck_listen_tcp(const char *address, uint16_t port, int backlog);

// A bound, listening Unix socket; an existing socket file is replaced. `mode` is the file's.
int ck_listen_unix(const char *path, mode_t mode, int backlog);

// Whether the descriptor is a listening stream socket.
bool ck_is_listening(int fd);

// The local address: numeric text in `text` (46 bytes at least), the port; returns the family.
int ck_local_address(int fd, char *text, size_t size, uint16_t *port);

// One socket address, for ck_connect_start.
typedef struct {
    struct sockaddr_storage storage;
    socklen_t length;
} ck_address;

// Starts a non-blocking connect; the descriptor, whether or not it is connected yet.
int ck_connect_start(const ck_address *address);
int ck_connect_unix_start(const char *path);

// A numeric IPv4 or IPv6 address with a port; false if `host` is a name.
bool ck_numeric_address(const char *host, uint16_t port, ck_address *address);

// Asks the name service: the number of addresses stored (at most `capacity`), or the negative EAI_ code. Blocks, possibly for long.
int ck_resolve(const char *host, uint16_t port, ck_address *addresses, int capacity);

// The text for a negative EAI_ code.
const char *ck_resolve_error(int code);

// The outcome of a connect after the descriptor became writable: 0 or -errno.
int ck_connect_result(int fd);

// --- epoll.c: the event loop of the workers on the message path

// One readiness: which registration it is of, and what its socket is ready for (EPOLLIN and the like).
typedef struct {
    uint32_t events;
    uint32_t slot;
    uint32_t generation;
} ck_ready;

enum { CK_READ = 1, CK_WRITE = 4, CK_ERROR = 8, CK_HANGUP = 16, CK_PEER_ENDED = 0x2000 };

// An epoll descriptor.
int ck_epoll_create(void);

// Registers a descriptor, changes what is of interest about it, or takes it out.
int ck_epoll_add(int epoll, int fd, uint32_t events, uint32_t slot, uint32_t generation);
int ck_epoll_change(int epoll, int fd, uint32_t events, uint32_t slot, uint32_t generation);
int ck_epoll_remove(int epoll, int fd);

// Waits at most `timeout` milliseconds (-1: for ever); how many of `ready` (at most CK_READY_MAXIMUM) are filled in. A signal counts as nothing.
enum { CK_READY_MAXIMUM = 256 };
int ck_epoll_wait(int epoll, ck_ready *ready, int timeout);

// The next connection of a listener: non-blocking, -EAGAIN if there is none.
int ck_accept(int listener);

// Receives what there is, up to `size` bytes; 0 at the end of the stream, -EAGAIN if nothing is there.
ssize_t ck_receive(int fd, void *bytes, size_t size);

// Sends what the socket takes; -EAGAIN if that is nothing. Never raises SIGPIPE.
ssize_t ck_send(int fd, const void *bytes, size_t size);

// Several pieces in one call.
enum { CK_PIECES_MAXIMUM = 64 };
typedef struct {
    const void *bytes;
    size_t size;
} ck_piece;
ssize_t ck_send_pieces(int fd, const ck_piece *pieces, int count);

// Small pieces go out at once. Does nothing to a socket that is not TCP's.
void ck_no_delay(int fd);

// Who is at the other end of a Unix socket, by the kernel's word (SO_PEERCRED, unix(7)).
int ck_peer_credentials(int fd, ck_credentials *peer);

// --- memory.c: memfds and shared counters

// A memfd of a fixed size, sealed against resizing, zero-filled.
int ck_segment(const char *name, size_t size);

// The variable of the environment with this number, NAME=VALUE; null behind the last.
const char *ck_environment(size_t index);

// A memfd with exactly this content, sealed against every change.
int ck_sealed_data(const char *name, const void *bytes, size_t size);

// The same memory through a read-only descriptor.
int ck_reopen_read_only(int fd);

// Size of a descriptor sealed against resizing, or -EPERM if it is not sealed so.
int64_t ck_sealed_size(int fd);

// Shared (or, if not writable, read-only) mapping; null on failure.
void *ck_map(int fd, size_t size, bool writable);
void ck_unmap(void *base, size_t size);

// Relaxed 64-bit access to shared memory that another process reads or writes.
static inline uint64_t ck_load(const void *base, size_t offset) {
    return __atomic_load_n((const uint64_t *)((const char *)base + offset), __ATOMIC_RELAXED);
}
static inline void ck_store(void *base, size_t offset, uint64_t value) {
    __atomic_store_n((uint64_t *)((char *)base + offset), value, __ATOMIC_RELAXED);
}
static inline uint64_t ck_load_acquire(const void *base, size_t offset) {
    return __atomic_load_n((const uint64_t *)((const char *)base + offset), __ATOMIC_ACQUIRE);
}
static inline void ck_store_release(void *base, size_t offset, uint64_t value) {
    __atomic_store_n((uint64_t *)((char *)base + offset), value, __ATOMIC_RELEASE);
}
static inline void ck_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

#endif
