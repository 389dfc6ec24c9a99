# SPDX-License-Identifier: GPL-2.0
# Messages in a kernel's log that make a run fail.

readonly klog_bad='(^|[^A-Z])(WARNING: |BUG: |BUG [a-zA-Z0-9_-]+ \()|kernel BUG at|Oops|'\
'Kernel panic|refcount_t: |general protection fault, |unregister_netdevice: waiting|'\
'INFO: task .* blocked for|rcu: INFO: .*stall|rcu: .*kthread starved|'\
'INFO: trying to register non-static|cannot create duplicate filename|'\
'tried to init an initialized object|KASAN: |UBSAN: |KFENCE: |'\
'suspicious rcu_.* usage'

# klog_lines [KNOWN] <LOG: prints these messages without the parts that differ between runs, and without the
# messages in the file KNOWN. "suspicious RCU usage" is left out, because lockdep's next line says more.
klog_lines() {
	tr -d '\r' | grep -E "$klog_bad" | grep -v 'WARNING: suspicious RCU usage' |
		sed -E 's/^\[ *[0-9.]+\] *//; s/CPU: [0-9]+ PID: [0-9]+/CPU: . PID: ./' |
		grep -vxFf "${1:-/dev/null}"
}

# klog_report LOG KNOWN: prints these messages since the driver was loaded. True if there is one.
klog_report() {
	local log=$1 known=$2 since
	since=$(grep -n -m1 'vm: loading the driver' "$log" | cut -d: -f1)

	tail -n "+${since:-1}" "$log" | klog_lines "$known" >/dev/null || return 1
	say "the kernel complained, from $log:"
	tail -n "+${since:-1}" "$log" | tr -d '\r' | grep -E -A50 -m20 "$klog_bad" | head -n 200 >&2
}
