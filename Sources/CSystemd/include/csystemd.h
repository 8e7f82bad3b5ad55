// libsystemd, loaded only by the supervisor and only when systemd (or a test) set NOTIFY_SOCKET: workers would otherwise pay for it and its six
// dependencies at every exec (see the README's table of what libraries cost).
#ifndef CSYSTEMD_H
#define CSYSTEMD_H

#include <stdint.h>

// sd_notify(3) with unset_environment = 0: 1 sent, 0 no NOTIFY_SOCKET, -errno otherwise; -ENOSYS if libsystemd cannot be loaded,
// -EAGAIN if the manager's queue is full (nothing is sent and nothing waits).
int cs_notify(const char *state);

// sd_watchdog_enabled(3): 1 and the interval in microseconds if the supervisor should report, 0 if not, -errno otherwise.
int cs_watchdog(uint64_t *microseconds);

#endif
