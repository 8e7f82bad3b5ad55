// The seccomp filter, by libseccomp.
#include "CSandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>

uint32_t sandbox_arch_x86_64(void) { return SCMP_ARCH_X86_64; }
uint32_t sandbox_arch_aarch64(void) { return SCMP_ARCH_AARCH64; }

int sandbox_call_number(uint32_t architecture, const char *name) {
    return seccomp_syscall_resolve_name_arch(architecture == 0 ? SCMP_ARCH_NATIVE : architecture, name);
}

sandbox_filter *sandbox_filter_new(uint32_t architecture, int unlisted) {
    scmp_filter_ctx context = seccomp_init(unlisted == 0 ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO((uint16_t)unlisted));
    if (context == NULL) return NULL;
    // A call in the convention of another architecture (int 0x80, x32) ends the process too; the default would end the thread alone.
    int failed = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    // A binary tree instead of a list: a call with conditions (those are not in the kernel's bitmap) costs about seven comparisons.
    failed |= seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    failed |= seccomp_attr_set(context, SCMP_FLTATR_API_SYSRAWRC, 1);
    if (architecture != 0 && architecture != seccomp_arch_native()) {
        failed |= seccomp_arch_add(context, architecture);
        failed |= seccomp_arch_remove(context, SCMP_ARCH_NATIVE);
    }
    if (failed) {
        seccomp_release(context);
        return NULL;
    }
    return context;
}

int sandbox_filter_add(sandbox_filter *filter, uint32_t architecture, const char *name, int refusal, const sandbox_condition *conditions,
                       uint32_t count) {
    // Rules are added by the numbers of the host; libseccomp turns them into those of the filter's architecture.
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) return -ENOENT;
    if (sandbox_call_number(architecture, name) < 0) return 1;  // a pseudo number: known, but not on this architecture
    struct scmp_arg_cmp comparisons[6];
    if (count > 6) return -EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        if (conditions[i].argument > 5) return -EINVAL;
        if (conditions[i].mask == UINT64_MAX)
            comparisons[i] = (struct scmp_arg_cmp){conditions[i].argument, SCMP_CMP_EQ, conditions[i].value, 0};
        else
            comparisons[i] = (struct scmp_arg_cmp){conditions[i].argument, SCMP_CMP_MASKED_EQ, conditions[i].mask, conditions[i].value};
    }
    uint32_t action = refusal == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((uint16_t)refusal);
    return seccomp_rule_add_array(filter, action, number, count, comparisons);
}

int sandbox_filter_load(sandbox_filter *filter) { return seccomp_load(filter); }

int sandbox_filter_export(sandbox_filter *filter, int descriptor) { return seccomp_export_bpf(filter, descriptor); }

void sandbox_filter_free(sandbox_filter *filter) { seccomp_release(filter); }
