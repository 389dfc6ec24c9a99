/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire between options.device on veth0 and options.peer on veth1. tests/run has moved veth1 into the
 * network namespace "peer".
 */
#ifndef VERBS_WIRE_H
#define VERBS_WIRE_H

#include <stdbool.h>

/* Returns whether the two ends are two devices. */
bool have_wire(void);

/* Skips the test if they are not. */
void need_wire(void);

/* Applies tc-netem(8) to every packet in both directions until wire_repair() or the end of the test. */
void wire_impair(const char *netem);
void wire_repair(void);

/*
 * Delays the peer's packets that a u32 filter matches (tc-u32(8)); the other packets overtake them. Lasts
 * until the end of the test or the next call. @netem begins with the delay.
 */
void wire_delay_from_peer(const char *match, const char *netem);

/*
 * Until the end of the test the wire runs on one CPU, so that packets arrive in the order in which they were
 * sent: veth may reorder packets sent from two CPUs, which no cable does.
 */
void wire_in_order(void);
/* Runs this thread on that CPU only. */
void run_on(int cpu);

/* Runs a shell command; if the command fails, the test fails. */
void __attribute__((format(printf, 1, 2))) shell(const char *command, ...);

/* Returns whether the command succeeds. */
bool shell_works(const char *command);

/*
 * Waits until @address answers; @where is a command prefix, such as ip netns exec. The transition to RTR
 * gives the peer's MAC one second: too little for a netdev that has just come up. Does not use ping: ping
 * asks for time stamps, for which the kernel patches its code beneath the traffic, and QEMU does not always
 * notice in time (Documentation/infiniband/guests.rst).
 */
void wait_reachable(const char *where, const char *address);

/* Moves this thread to another network namespace; returns a descriptor for netns_leave(). */
int netns_enter(const char *netns);
void netns_leave(int here);

#endif
