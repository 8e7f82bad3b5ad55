// The forbidden actions of the escape program, as raw system calls, and the few calls that Swift cannot make (fork, threads).
#ifndef MCPGW_CSANDBOX_ESCAPE_H
#define MCPGW_CSANDBOX_ESCAPE_H

#include <stdint.h>

/// The actions of all groups, and the things that a role must be able to do still, by index from 0.
uint32_t escape_action_count(void);
uint32_t escape_control_count(void);

/// Group and name of an action, name of a control.
const char *escape_action_group(uint32_t action);
const char *escape_action_name(uint32_t action);
const char *escape_control_name(uint32_t control);

/// Roles whose job the action is, and roles that must be able to do the control: bit 1 << raw value of the role.
uint32_t escape_action_allowed(uint32_t action);
uint32_t escape_control_needed(uint32_t control);

/// For the dialer the refusal comes from Landlock of this ABI on; below, it is not promised. 0: refused always.
int32_t escape_action_dialer_abi(uint32_t action);

/// The signal that ends a control when all is well; 0: none.
int32_t escape_control_signal(uint32_t control);

/// Tries it in this process, with what `escape_prepare` made. 0: done; else a negated errno.
int32_t escape_try_action(uint32_t action);
int32_t escape_try_control(uint32_t control);

/// Makes what attempts use: sockets, a segment, a sibling process, a scratch directory. 0 or a negated errno.
int32_t escape_prepare(void);
/// Takes it away again.
void escape_finish(void);

/// fork(2).
int32_t escape_fork(void);
/// Waits for a child: its exit code, or minus the signal that ended it.
int32_t escape_wait(int32_t child);
/// What a child says to its parent: one number.
void escape_tell(int descriptor, int32_t value);
/// Reads it; INT32_MIN when the other side ended without a word.
int32_t escape_hear(int descriptor);
/// Whether the other side ends without a word, in this time at most (so that a failure does not hang).
int escape_ends_within(int descriptor, int milliseconds);
/// Before an unconfined trial: for root, namespaces in which nothing it does reaches the host.
void escape_shield(void);
/// Starts a thread that waits for ever. 0 or a negated errno.
int escape_start_thread(void);

#endif
