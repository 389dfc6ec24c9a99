/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RXE_ODP_COMPAT_HMM_H
#define RXE_ODP_COMPAT_HMM_H

#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>

/*
 * As the function of this name in 7.3, but that a fault that has to drop the
 * mmap lock (userfaultfd) gives -EFAULT.
 */
static inline int hmm_range_fault_unlocked_timeout(struct hmm_range *range,
						   unsigned long timeout)
{
	struct mm_struct *mm = range->notifier->mm;
	unsigned long deadline = jiffies + timeout;
	int ret;

	do {
		range->notifier_seq = mmu_interval_read_begin(range->notifier);
		ret = mmap_read_lock_killable(mm);
		if (ret)
			return ret;
		ret = check_stable_address_space(mm) ? -EFAULT :
						       hmm_range_fault(range);
		mmap_read_unlock(mm);
	} while (ret == -EBUSY && time_before(jiffies, deadline));
	return ret;
}

#endif /* RXE_ODP_COMPAT_HMM_H */
