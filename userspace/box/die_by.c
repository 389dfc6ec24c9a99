// SPDX-License-Identifier: GPL-2.0
/* For the launcher and for rdmabox on */
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "die_by.h"

void die_by(int sig)
{
	sigset_t set;

	/* The command has dumped its core. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	kill(getpid(), sig);
	_exit(128 + sig);
}
