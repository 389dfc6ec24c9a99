// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Lifetime of a mirror
 *
 * Three things end at different times:
 *
 * - The address space. The mirror holds an mm_count, so that the mm_struct
 *   stays. A fault needs an mm_users, which it gets only while the address
 *   space has not ended (odp_mirror_mmget()). After the end a worker removes
 *   the mirror's windows and drops the mm_count.
 * - The mirror. Its last region destroys it (odp_mirror_put()).
 * - The mirror's memory. It lasts until the last reference
 *   (odp_mirror_put_ref()) and an RCU grace period after that.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "odp_lifetime.h"
#include "odp_mirror.h"

static struct workqueue_struct *odp_tidy_wq;

/**
 * odp_mirror_mmget() - get the address space for a fault
 * @mirror: the mirror
 *
 * Context: any but hard interrupt.
 * Return: the mm with an mm_users held, for mmput(); NULL if the address space
 * has ended.
 */
struct mm_struct *odp_mirror_mmget(struct odp_mirror *mirror)
{
	struct mm_struct *mm;

	spin_lock(&mirror->mm_lock);
	mm = mirror->mm;
	if (mm && !mmget_not_zero(mm))
		mm = NULL;
	spin_unlock(&mirror->mm_lock);
	return mm;
}

/**
 * odp_mirror_is_dead() - has the address space ended?
 * @mirror: the mirror
 *
 * Context: any but hard interrupt.
 * Return: true if the address space has ended.
 */
bool odp_mirror_is_dead(struct odp_mirror *mirror)
{
	bool dead;

	spin_lock(&mirror->mm_lock);
	dead = !mirror->mm || !atomic_read(&mirror->mm->mm_users);
	spin_unlock(&mirror->mm_lock);
	return dead;
}

/**
 * odp_mirror_drop_mm() - drop the mirror's reference to the mm_struct
 * @mirror: the mirror; does nothing if the reference has been dropped already
 *
 * Context: process context.
 */
void odp_mirror_drop_mm(struct odp_mirror *mirror)
{
	struct mm_struct *mm;

	spin_lock(&mirror->mm_lock);
	mm = mirror->mm;
	mirror->mm = NULL;
	spin_unlock(&mirror->mm_lock);
	if (mm)
		mmdrop(mm);
}

/**
 * odp_mirror_put_ref() - drop a reference to a mirror's memory
 * @mirror: the mirror
 *
 * Context: any.
 */
void odp_mirror_put_ref(struct odp_mirror *mirror)
{
	if (refcount_dec_and_test(&mirror->refs))
		kfree_rcu(mirror, rcu);
}

/**
 * odp_mirror_tidy_later() - have a worker call odp_mirror_tidy()
 * @mirror: the mirror. The caller keeps its memory by RCU or otherwise; the
 *	mirror may have been destroyed.
 *
 * Context: any but hard interrupt.
 */
void odp_mirror_tidy_later(struct odp_mirror *mirror)
{
	if (refcount_inc_not_zero(&mirror->refs) &&
	    !queue_work(odp_tidy_wq, &mirror->tidy))
		odp_mirror_put_ref(mirror);
}

/**
 * odp_lifetime_module_init() - create the workqueue that tidies mirrors
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int odp_lifetime_module_init(void)
{
	odp_tidy_wq = alloc_workqueue("odp_tidy", WQ_UNBOUND, 0);
	return odp_tidy_wq ? 0 : -ENOMEM;
}

/**
 * odp_lifetime_module_exit() - wait for the workers that tidy mirrors
 *
 * Context: may sleep; no mirror exists.
 */
void odp_lifetime_module_exit(void)
{
	destroy_workqueue(odp_tidy_wq);
}
