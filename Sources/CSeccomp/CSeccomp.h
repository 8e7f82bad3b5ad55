// libseccomp, as the system has it (Debian: libseccomp-dev).
#ifndef MCPGW_CSECCOMP_H
#define MCPGW_CSECCOMP_H
#include <seccomp.h>
#endif
