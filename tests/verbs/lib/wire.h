/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire between options.device on veth0 and options.peer on veth1, which tests/run has put
 * into the network namespace "peer".
 */
#ifndef VERBS_WIRE_H
#define VERBS_WIRE_H

#include <stdbool.h>

/* Are the ends two devices? */
bool have_wire(void);

/* Skips the test where they are not. */
void need_wire(void);

/* What tc-netem(8) does to every single packet in both directions until wire_repair or the test's end. */
void wire_impair(const char *netem);
void wire_repair(void);

/*
 * The same for packets of the peer that a u32 filter matches (tc-u32(8)), the others pass them; until
 * the test's end, or until it is called again. netem begins with how long.
 */
void wire_delay_from_peer(const char *match, const char *netem);

/*
 * Until the test's end it runs on one processor, so that packets arrive in the order in which they
 * were sent: veth lets those that two processors send overtake one another, which no cable does.
 */
void wire_in_order(void);
/* This thread, on that processor alone. */
void run_on(int cpu);

/* Runs a shell command; its failure is the test's. */
void __attribute__((format(printf, 1, 2))) shell(const char *command, ...);

/* Does it succeed? */
bool shell_works(const char *command);

/*
 * Waits until @address answers; @where: a command in front, such as ip netns exec. Going to RTR gives the
 * peer's MAC one second: too little for a netdev that has just come up. Without ping: that
 * asks for time stamps, for which the kernel patches its code beneath the traffic, and QEMU does not always
 * take notice in time (Documentation/infiniband/guests.rst).
 */
void wait_reachable(const char *where, const char *address);

/* Takes this thread to another network namespace; returns what brings it back. */
int netns_enter(const char *netns);
void netns_leave(int here);

#endif
