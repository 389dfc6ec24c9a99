/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_FAULT_IN_H
#define ODP_FAULT_IN_H

#include <linux/mm_types.h>

/**
 * enum odp_wait - what odp_fault_in() may wait for
 * @ODP_WAIT_NOT: nothing
 * @ODP_WAIT_LOCK: the mmap lock
 * @ODP_WAIT_PAGE: the mmap lock and the page
 */
enum odp_wait {
	ODP_WAIT_NOT,
	ODP_WAIT_LOCK,
	ODP_WAIT_PAGE,
};

int odp_fault_in_check(const struct vm_area_struct *vma, bool write);
long odp_fault_in(struct mm_struct *mm, unsigned long start, unsigned long end,
		  bool write, enum odp_wait wait, unsigned long deadline);

#endif /* ODP_FAULT_IN_H */
