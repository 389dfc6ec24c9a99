# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run assigns
# Standard input, output and error as pipes and files.

test_pipes() {
	check 'through cat' "$(echo hello | rdmabox cat)" hello
	check 'input' "$(echo | rdmabox stat -L -c %F /dev/stdin | cat)" fifo
	check 'output' "$(rdmabox stat -L -c %F /dev/stdout | cat)" fifo
	check 'no input' "$(rdmabox cat </dev/null)" ''
}

test_big_output_is_exact() {
	head -c 50000000 /dev/urandom >data
	rdmabox cat <data >copy
	cmp copy data
	rdmabox cat data >copy
	cmp copy data
}

test_output_and_error() {
	rdmabox sh -c 'echo out; echo err >&2' >o 2>e
	check output "$(<o)" out
	check error "$(<e)" err
	check order "$(rdmabox sh -c 'for i in 1 2 3; do echo $i; echo $i >&2; done' 2>&1 | xargs)" '1 1 2 2 3 3'
}

test_sigpipe() {
	{ rdmabox yes || echo $? >status; } | head -n 1 >out
	check 'status of yes' "$(<status)" 141
	check output "$(<out)" y
}

# As much is read as the command reads, so that a box in a loop over lines does not eat the lines.
test_input_on_demand() {
	local n=0

	while read -r _; do
		((++n))
		rdmabox true
	done < <(printf '1\n2\n3\n')
	check 'lines that were left for the loop' $n 3
	check 'what head and then cat read' "$(printf 'a\nb\n' >f; (rdmabox sh -c 'read x; echo "$x"'; cat) <f | xargs)" \
		'a b'
}

# Who writes to the command, or reads from it, sees that the command has closed its end.
test_closing() {
	local wait='for i in $(seq 300); do [ ! -e "$0" ] || exit 0; sleep 0.1; done; exit 1'

	# Not by way of timeout, which has the pipes, too
	"$work/bin/rdmabox" sh -c "exec >&-; $wait" "$dir/out-ended" | { cat; touch out-ended; }
	{ yes || touch in-ended; } | "$work/bin/rdmabox" sh -c "exec <&-; $wait" "$dir/in-ended"
}

test_closed_and_null() {
	check 'closed input' "$(rdmabox sh -c '[ -e /proc/self/fd/0 ] || echo closed' <&-)" closed
	check 'null input' "$(rdmabox stat -L -c %t,%T /dev/stdin </dev/null)" 1,3
}

test_poll() {
	check 'select on a pipe' "$(rdmabox timeout 5 bash -c 'read -t 0.1 x || echo none
		read -t 3 x && echo "$x"' < <(sleep 2; echo late) | xargs)" 'none late'
}
