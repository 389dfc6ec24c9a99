# SPDX-License-Identifier: GPL-2.0
# What in a kernel's log makes a run fail.

readonly klog_bad='(^|[^A-Z])(WARNING: |BUG: |BUG [a-zA-Z0-9_-]+ \()|kernel BUG at|Oops|'\
'Kernel panic|refcount_t: |general protection fault, |unregister_netdevice: waiting|'\
'INFO: task .* blocked for|rcu: INFO: .*stall|rcu: .*kthread starved|'\
'INFO: trying to register non-static|cannot create duplicate filename|'\
'tried to init an initialized object|KASAN: |UBSAN: |KFENCE: |kmemleak: [0-9]+ new'

# klog_report LOG: prints what is bad since the driver was loaded; true when there was something.
klog_report() {
	local log=$1 since report
	since=$(grep -n -m1 'vm: loading the driver' "$log" | cut -d: -f1)

	report=$(tail -n "+${since:-1}" "$log" | tr -d '\r' | grep -E -A50 -m20 "$klog_bad") || return 1
	say "the kernel complained, from $log:"
	head -n 200 <<<"$report" >&2
}
