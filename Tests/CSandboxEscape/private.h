#ifndef MCPGW_ESCAPE_PRIVATE_H
#define MCPGW_ESCAPE_PRIVATE_H
#define _GNU_SOURCE
#include "CSandboxEscape.h"

#include <errno.h>
#include <stddef.h>

// Raw values of the Swift enumeration `Role`.
enum { INGRESS = 1 << 1, ROUTE = 1 << 2, DIALER = 1 << 3, LAUNCHER = 1 << 4, RECORDER = 1 << 5, CONSOLE = 1 << 6 };
enum { ALL_ROLES = INGRESS | ROUTE | DIALER | LAUNCHER | RECORDER | CONSOLE };
enum { ACCEPTING = INGRESS | CONSOLE, THREADED = ROUTE | DIALER | RECORDER, POLLING = DIALER | LAUNCHER | RECORDER };

/// What an attempt may use. All descriptors were made before the confinement, as a worker's would be.
typedef struct {
    int sibling;      ///< a process of the same user
    int parent;       ///< the escape program itself
    int pidfd;        ///< of the sibling
    int listener;     ///< TCP, listening on loopback, a connection waits
    int stream;       ///< TCP, connected
    int unconnected;  ///< TCP, fresh
    int datagram;     ///< UDP, fresh
    int pipe_read;    ///< both ends of one pipe, with a byte in it
    int pipe_write;
    int memory;     ///< memfd, 4096 bytes, sealed against resizing
    int program;    ///< an executable file, open
    int network;    ///< /proc/self/ns/net of the host
    int directory;  ///< the scratch directory, open
    int link;       ///< a Unix stream socket on which a descriptor waits
    uint16_t port;  ///< a TCP port on loopback where somebody listens
    char scratch[64];   ///< a directory to write to, with a file "victim" in it
    char abstract[32];  ///< name of an abstract Unix listener
} escape_context;

typedef struct {
    const char *group;  ///< NULL ends a list
    const char *name;
    int (*attempt)(const escape_context *);
    uint32_t allowed;
    int dialer_abi;
} escape_action;

extern const escape_context *const escape_held;
extern const escape_action file_actions[], process_actions[], network_actions[], kernel_actions[];

// The result of a call as an attempt returns it.
static inline int tried(long result) { return result < 0 ? -errno : 0; }

#define ATTEMPT(name) static int name(const escape_context *c __attribute__((unused)))
#endif
