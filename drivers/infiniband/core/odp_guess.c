// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Faulting in guessed pages
 *
 * A worker of the mirror's user faults in the pages that odp_ahead.c has
 * guessed. A guess does not delay other work: the worker waits neither for a
 * page nor for the mmap lock, and leaves mappings with a userfaultfd alone.
 */
#include <linux/memcontrol.h>
#include <linux/page_counter.h>
#include <linux/sched/mm.h>

#include "odp_fault.h"
#include "odp_guess.h"
#include "odp_lend.h"
#include "odp_lifetime.h"

#ifdef CONFIG_MEMCG
/*
 * Does each memory cgroup of the owner have room for @pages? A charge beyond
 * the limit makes the kernel reclaim, and kill if it finds nothing. No guess is
 * worth that.
 */
static bool odp_guess_has_room(struct mm_struct *mm, unsigned long pages)
{
	struct mem_cgroup *own = get_mem_cgroup_from_mm(mm), *memcg;
	bool room = true;

	for (memcg = own; memcg && room; memcg = parent_mem_cgroup(memcg))
		room = page_counter_read(&memcg->memory) + pages <
		       READ_ONCE(memcg->memory.max);
	mem_cgroup_put(own);
	return room;
}
#else
static bool odp_guess_has_room(struct mm_struct *mm, unsigned long pages)
{
	return true;
}
#endif

static void odp_guess_work(struct work_struct *work)
{
	struct odp_mirror *mirror =
		container_of(work, struct odp_mirror, ahead_work);
	struct mm_struct *mm = odp_mirror_mmget(mirror);
	struct odp_guess guess;
	struct odp_lend lend;

	if (!mm)
		return;
	odp_lend_begin(&lend, mm);
	while (odp_ahead_take(mirror, &guess))
		if (odp_guess_has_room(mm, (guess.end - guess.start) >>
						   PAGE_SHIFT))
			odp_fault_guess(mirror, mm, &guess);
	odp_lend_end(&lend);
	mmput_async(mm);
}

/**
 * odp_guess_init() - initialize a mirror's work
 * @mirror: the mirror, not in use yet
 *
 * Context: any.
 */
void odp_guess_init(struct odp_mirror *mirror)
{
	INIT_WORK(&mirror->ahead_work, odp_guess_work);
}
