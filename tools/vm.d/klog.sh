# SPDX-License-Identifier: GPL-2.0
# What in a kernel's log makes a run fail.

readonly klog_bad='(^|[^A-Z])(WARNING: |BUG: |BUG [a-zA-Z0-9_-]+ \()|kernel BUG at|Oops|'\
'Kernel panic|refcount_t: |general protection fault, |unregister_netdevice: waiting|'\
'INFO: task .* blocked for|rcu: INFO: .*stall|rcu: .*kthread starved|'\
'INFO: trying to register non-static|cannot create duplicate filename|'\
'tried to init an initialized object|KASAN: |UBSAN: |KFENCE: |'\
'suspicious rcu_.* usage'

# klog_lines [KNOWN] <LOG: the lines that say what is bad, without what differs from time to time;
# without those of the file KNOWN. This one says nothing: a line behind it does.
klog_lines() {
	tr -d '\r' | grep -E "$klog_bad" | grep -v 'WARNING: suspicious RCU usage' |
		sed -E 's/^\[ *[0-9.]+\] *//; s/CPU: [0-9]+ PID: [0-9]+/CPU: . PID: ./' |
		grep -vxFf "${1:-/dev/null}"
}

# klog_report LOG KNOWN: prints what is bad since the driver was loaded; true when there was
# something.
klog_report() {
	local log=$1 known=$2 since
	since=$(grep -n -m1 'vm: loading the driver' "$log" | cut -d: -f1)

	tail -n "+${since:-1}" "$log" | klog_lines "$known" >/dev/null || return 1
	say "the kernel complained, from $log:"
	tail -n "+${since:-1}" "$log" | tr -d '\r' | grep -E -A50 -m20 "$klog_bad" | head -n 200 >&2
}
