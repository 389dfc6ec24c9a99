// SPDX-License-Identifier: GPL-2.0
/*
 * What `rdma resource show mr -dd` and `rdma statistic show mr` show about a
 * region. The names are the same as in other drivers with on-demand paging.
 */
#include <net/netlink.h>
#include <rdma/restrack.h>
#include <uapi/rdma/rdma_netlink.h>

#include "rxe_mr.h"
#include "rxe_restrack.h"

static const char *rxe_mr_kind(const struct rxe_mr *mr)
{
	if (!(mr->access & IB_ACCESS_ON_DEMAND))
		return "pinned";
	return mr->implicit ? "implicit" : "explicit";
}

/**
 * rxe_fill_res_mr_entry() - report how a region gets its memory
 * @msg: receives the report
 * @ibmr: the region
 *
 * Context: process context.
 * Return: 0, or -EMSGSIZE: @msg has no room for the report.
 */
int rxe_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct nlattr *table = nla_nest_start(msg, RDMA_NLDEV_ATTR_DRIVER);

	if (!table)
		return -EMSGSIZE;
	if (rdma_nl_put_driver_string(msg, "odp", rxe_mr_kind(to_rmr(ibmr)))) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, table);
	return 0;
}

static int rxe_put_mr_counters(struct sk_buff *msg,
			       const struct umem_odp_counters *counters)
{
	const struct {
		const char *name;
		const atomic64_t *value;
	} entries[] = {
		{ "page_faults", &counters->pages_faulted },
		{ "page_faults_handled", &counters->faults },
		{ "page_invalidations", &counters->pages_invalidated },
		{ "page_invalidations_handled", &counters->invalidations },
		{ "page_prefetch", &counters->pages_prefetched },
	};
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < ARRAY_SIZE(entries); i++)
		ret = rdma_nl_stat_hwcounter_entry(msg, entries[i].name,
					atomic64_read(entries[i].value));
	return ret;
}

/**
 * rxe_fill_stat_mr_entry() - report a region's counters
 * @msg: receives the counters
 * @ibmr: the region; a pinned region has no counters
 *
 * Context: process context.
 * Return: 0, or -EMSGSIZE: @msg has no room for the counters.
 */
int rxe_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct rxe_mr *mr = to_rmr(ibmr);
	struct nlattr *table;

	if (!(mr->access & IB_ACCESS_ON_DEMAND))
		return 0;
	table = nla_nest_start(msg, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	if (!table)
		return -EMSGSIZE;
	if (rxe_put_mr_counters(msg, umem_odp_get_counters(mr->umem))) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, table);
	return 0;
}
