/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_LEND_H
#define ODP_LEND_H

#include <linux/mempolicy.h>
#include <linux/nodemask.h>

/**
 * struct odp_lend - the limits that a worker borrows from a process
 * @lent: the worker has them now
 * @has_policy: the process has a memory policy
 * @policy: a copy of that policy
 * @mems: nodes that the process may use
 * @nice: nice value of the process
 * @ioprio: I/O priority of the process, if it was set
 * @blkcg: block cgroup of the process, referenced; or NULL
 * @old_policy: the worker's own
 * @old_mems: the worker's own
 * @old_nice: the worker's own
 */
struct odp_lend {
	bool lent;
	bool has_policy;
	struct mempolicy policy;
	nodemask_t mems;
	int nice;
	int ioprio;
	struct cgroup_subsys_state *blkcg;
	struct mempolicy *old_policy;
	nodemask_t old_mems;
	int old_nice;
};

void odp_lend_begin(struct odp_lend *lend, struct mm_struct *mm);
void odp_lend_end(struct odp_lend *lend);

#endif /* ODP_LEND_H */
