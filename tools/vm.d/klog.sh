# SPDX-License-Identifier: GPL-2.0
# What in a kernel's log makes a run fail.

readonly klog_bad='(^|[^A-Z])(WARNING|BUG): |kernel BUG at|Oops|Kernel panic|refcount_t: |'\
'general protection fault, |Unable to handle kernel|unregister_netdevice: waiting|'\
'INFO: task .* blocked for|rcu: INFO: .*stall|rcu: .*kthread starved|'\
'INFO: (possible|suspicious|inconsistent|trying to register non-static)|possible recursive locking|'\
'possible circular locking|KASAN: |UBSAN: |KFENCE: |kmemleak: [0-9]+ new|leaked|restrack'

# klog_report LOG: prints what is bad since the driver was loaded; true when there was something.
klog_report() {
	local log=$1 since
	since=$(grep -n -m1 'vm: loading the driver' "$log" | cut -d: -f1)

	tail -n "+${since:-1}" "$log" | tr -d '\r' | grep -nE -m1 "$klog_bad" >/dev/null || return 1
	say "the kernel complained, from $log:"
	tail -n "+${since:-1}" "$log" | tr -d '\r' | grep -E -A50 "$klog_bad" | head -n 200 >&2
}
