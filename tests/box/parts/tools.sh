# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154 # the box expands; tests/box/run assigns
# Slow: a folder with Debian's programs
# What developers use works in a box, as Debian packages it: with tests/box/tools/loopback.c, which can make
# mistakes. Only root can make the folders that have the tools.

tools_packages=(
	gcc libc6-dev libc6-dbg libibverbs-dev ibverbs-providers ibverbs-utils gdb strace valgrind linux-perf
	python3-pytest python3-pyverbs cmake make procps
)
languages_packages=(gcc libc6-dev libibverbs-dev ibverbs-providers cargo golang-go)

# in_tools COMMAND..., in_languages COMMAND...: as nobody, with $dir as its /tmp, which has our sources
in_tools() {
	[[ ${tools-} ]] || tools=$("$here/../../tools/vm" debian trixie "${tools_packages[@]}")
	in_folder "$tools" "$@"
}

in_languages() {
	[[ ${languages-} ]] || languages=$("$here/../../tools/vm" debian trixie "${languages_packages[@]}")
	in_folder "$languages" "$@"
}

sources() {
	cp -r "$here/tools/." .
	chmod -R a+rwX .
}

# build OPTION...: the program, outside of the box
build() {
	[[ -e loopback.c ]] || sources
	in_tools gcc -std=gnu11 -g -O1 "$@" -o loopback loopback.c -libverbs -pthread
}

# ends STATUS COMMAND...: the command has this exit status in a box. Its output goes to the file out.
ends() {
	local status=0

	"${within-in_tools}" /tmp/rdmabox "${@:2}" >out 2>&1 || status=$?
	check "status of ${*:2}" "$status" "$1" && return
	tail -n 20 out
	return 1
}

# says TEXT...: each is in the output.
says() {
	local text

	for text in "$@"; do
		grep -qF -e "$text" out && continue
		echo "no \"$text\" in:"
		tail -n 20 out
		return 1
	done
}

if ((EUID == 0)); then
test_gdb_breakpoint() {
	build
	ends 0 gdb -batch -ex 'break message_check' -ex run -ex backtrace -ex 'print number' \
		-ex 'print to.memory[2]' -ex continue -ex 'print number' -ex delete -ex continue \
		--args ./loopback 3
	says 'Breakpoint 1, message_check (number=' ' in message (number=' 'loopback (messages=' \
		' in main (argc=' '$1 = 0' '$2 = 2' '$3 = 1' '3 messages' 'exited normally'
	ends 1 gdb -batch -return-child-result -ex run --args ./loopback 1 spoil
	says 'exited with code 01'
}

test_gdb_registers() {
	build
	ends 0 gdb -batch -ex 'break message_check' -ex run -ex 'set var $xmm5.uint128 = 77' -ex 'stepi' \
		-ex 'print $xmm5.uint128' -ex delete -ex continue --args ./loopback 1
	says '$1 = 77' '1 messages'
}

test_gdb_attach() {
	build
	ends 0 sh -c './loopback 3 waiting & program=$!
		until [ -e ready ]; do sleep 0.1; done
		gdb -batch -p $program -ex backtrace -ex "print right"
		touch go; wait $program'
	says ' in waiting ()' ' in main (argc=' '$1 = 0' '3 messages'
}

# uml has no debug registers: gdb steps, from the line that changes the variable.
test_gdb_watchpoint() {
	build
	ends 0 gdb -batch -ex 'set can-use-hw-watchpoints 0' \
		-ex "break $(grep -n '^	right++;' loopback.c | cut -d: -f1)" \
		-ex run -ex 'watch right' -ex continue -ex delete -ex continue --args ./loopback 2
	says 'Old value = 0' 'New value = 1' '2 messages'
}

test_gdb_threads() {
	build
	ends 0 gdb -batch -ex 'break count_without_lock' -ex run -ex 'info threads' \
		-ex 'thread apply all backtrace' -ex delete -ex continue --args ./loopback 2 race
	says 'hit Breakpoint 1, count_without_lock' ' in race ()' 'exited normally'
}

test_gdb_core() {
	build
	ends 139 sh -c 'ulimit -c unlimited; exec ./loopback 1 crash'
	ends 0 gdb -batch -ex backtrace ./loopback core*
	says 'SIGSEGV' 'crash ()' ' in main (argc='
}

test_strace() {
	build
	ends 5 strace -f -o trace sh -c './loopback 2; exit 5'
	grep -q 'openat(AT_FDCWD, "/dev/infiniband/uverbs0", O_RDWR|O_CLOEXEC) = ' trace
	above 'ioctls of verbs' "$(grep -c 'RDMA_VERBS_IOCTL.* = 0' trace)" 20
	check processes "$(awk '{ print $1 }' trace | sort -u | wc -l)" 2
	grep -q '+++ exited with 5 +++' trace
}

test_strace_attach() {
	build
	ends 0 sh -c './loopback 3 waiting & program=$!
		until [ -e ready ]; do sleep 0.1; done
		strace -o trace -p $program 2>errors & tracer=$!
		until [ -s trace ]; do sleep 0.1; done
		touch go; wait $program && wait $tracer'
	grep -q 'RDMA_VERBS_IOCTL.* = 0' trace
	grep -q '+++ exited with 0 +++' trace
}

test_perf() {
	build
	in_tools /tmp/rdmabox test -e /proc/sys/kernel/perf_event_paranoid ||
		skip "the box's kernel has no perf events (CONFIG_PERF_EVENTS)"
	ends 0 perf stat -x, -e task-clock:u,page-faults:u ./loopback 100
	above 'page faults' "$(awk -F, '$3 ~ /page-faults/ { print $1 }' out)" 50
	ends 0 perf record -q -e cpu-clock:u -o samples ./loopback 500
	ends 0 perf report --stdio -i samples
	says message_check
}

test_valgrind() {
	local memcheck=(valgrind --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite)

	build
	ends 0 "${memcheck[@]}" ./loopback 3
	says 'ERROR SUMMARY: 0 errors'
	ends 9 "${memcheck[@]}" ./loopback 1 overflow
	says 'Invalid write of size 1' '0 bytes after a block of size 10,000'
	ends 9 "${memcheck[@]}" ./loopback 1 freed
	says 'Invalid write of size 1' "3 bytes inside a block of size 20 free'd"
	ends 9 "${memcheck[@]}" ./loopback 1 uninitialised
	says 'depends on uninitialised value(s)'
	ends 9 "${memcheck[@]}" ./loopback 1 leak
	says '4,321 bytes in 1 blocks are definitely lost'
}

test_address_sanitizer() {
	build -fsanitize=address
	ends 0 ./loopback 3
	check output "$(<out)" '3 messages'
	ends 1 ./loopback 1 overflow
	says 'ERROR: AddressSanitizer: heap-buffer-overflow' 'in overflow /tmp/loopback.c'
	ends 1 ./loopback 1 freed
	says 'ERROR: AddressSanitizer: heap-use-after-free' 'in freed /tmp/loopback.c'
	ends 1 ./loopback 1 leak
	says 'Direct leak of 4321 byte(s) in 1 object(s)'
}

test_leak_sanitizer() {
	build -fsanitize=leak
	ends 0 ./loopback 3
	check output "$(<out)" '3 messages'
	ends 23 ./loopback 1 leak
	says 'Direct leak of 4321 byte(s) in 1 object(s)' 'in leak /tmp/loopback.c'
}

test_thread_sanitizer() {
	build -fsanitize=thread
	ends 0 ./loopback 3
	check output "$(<out)" '3 messages'
	ends 66 ./loopback 1 race
	says 'WARNING: ThreadSanitizer: data race' 'count_without_lock /tmp/loopback.c'
}

test_undefined_sanitizer() {
	build -fsanitize=undefined -fno-sanitize-recover=all
	ends 0 ./loopback 3
	check output "$(<out)" '3 messages'
	ends 1 ./loopback 1 shift
	says 'runtime error: shift exponent 40 is too large'
}

test_gcov() {
	build -O0 --coverage
	ends 0 sh -c './loopback 7 && gcov -t *.gcda'
	check 'times of a line' "$(awk -F: '$3 ~ /right\+\+;/ { print $1 + 0; exit }' out)" 7
	check 'a line that did not run' "$(awk -F: '$3 ~ /spoiled = 1;/ { print $1 }' out | xargs)" '#####'
}

test_pytest() {
	sources
	ends 0 pytest-3 -q -p no:cacheprovider -k message test_loopback.py
	says '5 passed, 1 deselected'
	ends 1 pytest-3 -q -p no:cacheprovider test_loopback.py
	says '1 failed, 5 passed' 'At index 9999 diff'
}

test_ctest() {
	sources
	ends 0 sh -c 'cmake -S . -B b && cmake --build b'
	ends 0 ctest --test-dir b -R messages
	says '100% tests passed, 0 tests failed out of 1'
	ends 8 ctest --test-dir b
	says '50% tests passed, 1 tests failed out of 2' '2 - spoiled (Failed)'
}

test_cargo() {
	sources
	within=in_languages
	ends 0 sh -c 'cd rust && cargo test --offline'
	says 'test tests::whole ... ok' 'test result: ok. 1 passed; 0 failed; 1 ignored'
	ends 101 sh -c 'cd rust && cargo test --offline -- --ignored'
	says 'test tests::spoiled ... FAILED' 'right: 3'
}

# Go's own packages are compiled outside: inside that takes minutes, since threads of a process take turns.
go_sources() {
	sources
	within=in_languages
	in_languages sh -c "cd golang && go test -vet=off $* -c -o /dev/null"
}

test_go() {
	go_sources
	ends 0 sh -c 'cd golang && go test -vet=off -v -run Messages'
	says '--- PASS: TestMessages'
	ends 1 sh -c 'cd golang && go test -vet=off -run Spoiled'
	says '0 of 3 messages are right' '--- FAIL: TestSpoiled'
}

test_go_race() {
	go_sources -race
	ends 1 sh -c 'cd golang && go test -vet=off -race -run Race'
	says 'WARNING: DATA RACE' '--- FAIL: TestRace'
}
fi
