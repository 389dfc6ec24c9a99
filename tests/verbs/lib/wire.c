// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/test.h"
#include "lib/wire.h"

static const char *const ends[] = { "tc qdisc %s dev veth0 root netem %s",
				    "ip netns exec peer tc qdisc %s dev veth1 root netem %s" };
static bool impaired, delayed;

bool have_wire(void)
{
	return strcmp(options.device, options.peer);
}

void need_wire(void)
{
	if (!have_wire())
		skip_because("both ends are %s, without a wire between them", options.device);
}

void shell(const char *command, ...)
{
	char line[512];
	va_list args;
	int status;

	va_start(args, command);
	vsnprintf(line, sizeof(line), command, args);
	va_end(args);
	status = system(line);
	if (status)
		fail_msg("%s: exit status %#x", line, status);
}

void wait_reachable(const char *where, const char *address)
{
	shell("%s timeout 20 bash -c 'until (: >/dev/tcp/%s/9) 2>&1 | grep -q refused; do sleep 0.1; done'",
	      where, address);
}

bool shell_works(const char *command)
{
	return system(command) == 0;
}

int netns_enter(const char *netns)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there;
	char path[64];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	there = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(here >= 0 && there >= 0);
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	close(there);
	return here;
}

void netns_leave(int here)
{
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void both_ends(const char *verb, const char *netem)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		shell(ends[i], verb, netem);
}
#pragma GCC diagnostic pop

/* netem takes a train for one packet. */
static void trains(const char *on)
{
	shell("ethtool -K veth0 gso %s && ip netns exec peer ethtool -K veth1 gso %s", on, on);
}

static int repair(void *unused)
{
	(void)unused;
	if (impaired) {
		both_ends("delete", "");
		trains("on");
	}
	impaired = false;
	return 0;
}

void wire_impair(const char *netem)
{
	need_wire();
	if (!impaired) {
		defer(repair, &impaired);
		trains("off");
	}
	both_ends("replace", netem);
	impaired = true;
}

void wire_repair(void)
{
	undo(&impaired);
}

static cpu_set_t everywhere;

static int run_anywhere(void *unused)
{
	(void)unused;
	return sched_setaffinity(0, sizeof(everywhere), &everywhere);
}

void run_on(int cpu)
{
	cpu_set_t only;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	assert_int_equal(sched_setaffinity(0, sizeof(only), &only), 0);
}

void wire_in_order(void)
{
	assert_int_equal(sched_getaffinity(0, sizeof(everywhere), &everywhere), 0);
	defer(run_anywhere, &everywhere);
	run_on(0);
}

#define PEER_TC "ip netns exec peer tc "

static int undelay(void *unused)
{
	(void)unused;
	shell(PEER_TC "qdisc delete dev veth1 root");
	trains("on");
	delayed = false;
	return 0;
}

void wire_delay_from_peer(const char *match, const char *netem)
{
	need_wire();
	if (delayed)
		undo(&delayed);
	trains("off");
	shell(PEER_TC "qdisc add dev veth1 root handle 1: prio bands 2 "
	      "priomap 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1");
	defer(undelay, &delayed);
	delayed = true;
	shell(PEER_TC "qdisc add dev veth1 parent 1:1 netem limit 10000 delay %s", netem);
	shell(PEER_TC "filter add dev veth1 parent 1: protocol ip u32 %s flowid 1:1", match);
}
