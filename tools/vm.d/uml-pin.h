/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Becomes a part of uml (linux.sh). A process of the guest and the processor of the guest that it
 * runs on are two threads of the host, of which one waits while the other one works, and every
 * system call is two changes between them. The host would have each change wake another of its
 * processors, which takes tens of microseconds on a virtual machine. So each processor of the guest stays
 * on one of the host, and its process comes to it.
 */
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <smp.h>

#define PIN_SLOTS 1024u

/* Not by libc: its functions' names are also those of the kernel's own, which would be called. */
static void pin_to(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	syscall(__NR_sched_setaffinity, pid, sizeof(set), &set);
}

/* The host's processor for the guest's that asks; -1 where there are not enough. */
static int pin_choose(void)
{
	cpu_set_t may;
	int n, cpu;

	CPU_ZERO(&may);
	if (syscall(__NR_sched_getaffinity, 0, sizeof(may), &may) < 0 || CPU_COUNT(&may) < uml_ncpus)
		return -1;
	n = (getpid() + uml_curr_cpu()) % CPU_COUNT(&may);
	for (cpu = 0; !CPU_ISSET(cpu, &may) || n--; cpu++)
		;
	return cpu;
}

/* Where each was last. Who finds another one's there asks the host once more, no harm done. */
static uint64_t pin_slots[PIN_SLOTS];

/* Before the guest's processor that calls lets @pid run. */
static void pin_follow(pid_t pid)
{
	static __thread int cpu = -2;
	uint64_t here, *slot = &pin_slots[(unsigned int)pid % PIN_SLOTS];

	if (cpu == -2) {
		cpu = pin_choose();
		if (cpu >= 0)
			pin_to(0, cpu);
	}
	here = (uint64_t)pid << 32 | (uint32_t)cpu;
	if (cpu < 0 || __atomic_load_n(slot, __ATOMIC_RELAXED) == here)
		return;
	pin_to(pid, cpu);
	__atomic_store_n(slot, here, __ATOMIC_RELAXED);
}
