/* What a plugin's VMs do, counted for the operator. Calls are counted in the VM, where it costs nothing, and added to the
 * plugin's counters now and then. */
#include "metrics.h"
#include "vm.h"

void sw_vm_count_in(sw_vm *vm, sw_metrics *metrics, uint32_t most, const uint32_t *account) {
    sw_metrics_retain(metrics);
    vm->metrics = metrics;
    vm->most_metrics = most;
    for (int i = 0; i < SW_VM_ACCOUNTS; i++) vm->account[i] = account[i];
}

void sw_vm_tell_account(sw_vm *vm) {
    if (!vm->metrics) return;
    const uint64_t now[SW_VM_ACCOUNTS] = {
        [SW_ACCOUNT_CALLS] = vm->calls,
        [SW_ACCOUNT_HOSTCALLS] = vm->hostcalls,
        [SW_ACCOUNT_CPU] = vm->cpu_ns,
        [SW_ACCOUNT_REFUSED] = vm->metrics_refused,
    };
    for (int i = 0; i < SW_VM_ACCOUNTS; i++) {
        if (now[i] > vm->told[i]) sw_metrics_add(vm->metrics, vm->account[i], now[i] - vm->told[i]);
        vm->told[i] = now[i];
    }
}
