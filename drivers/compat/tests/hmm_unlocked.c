// SPDX-License-Identifier: GPL-2.0
/* 7.3: HMM takes the mmap lock and waits for userfaultfd by itself. */
#include <linux/hmm.h>
int test(struct hmm_range *range);
int test(struct hmm_range *range)
{
	return hmm_range_fault_unlocked_timeout(range, 1);
}
