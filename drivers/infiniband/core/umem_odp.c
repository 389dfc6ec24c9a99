// SPDX-License-Identifier: GPL-2.0
/* Deregistration, which involves most of the other files, and the module. */
#include <linux/module.h>

#include "odp_debugfs.h"
#include "odp_leaf.h"
#include "odp_lifetime.h"
#include "odp_mirror.h"
#include "odp_prefetch.h"
#include "odp_region.h"
#include "odp_shrink.h"
#include "odp_window.h"
#include "odp_worker.h"

void umem_odp_put(struct ib_umem_odp *umem)
{
	umem_odp_close(umem);
	if (!umem->pinned) {
		odp_requests_forget(umem);
		odp_waiters_abort(umem->mirror->dev, umem);
		odp_region_remove(umem);
	}
	umem_odp_release(umem);
}
EXPORT_SYMBOL_GPL(umem_odp_put);

/* Initialized in this order, and exited in the reverse order. */
static const struct {
	int (*init)(void);
	void (*exit)(void);
} odp_parts[] = {
	{ odp_mirror_module_init, odp_mirror_module_exit },
	{ odp_shrink_module_init, odp_shrink_module_exit },
	{ odp_leaf_module_init, odp_leaf_module_exit },
	{ odp_window_module_init, odp_window_module_exit },
	{ odp_lifetime_module_init, odp_lifetime_module_exit },
	{ odp_worker_module_init, odp_worker_module_exit },
	{ odp_debugfs_module_init, odp_debugfs_module_exit },
};

static void odp_parts_exit(unsigned int n)
{
	while (n--)
		odp_parts[n].exit();
}

static int __init odp_module_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(odp_parts); i++) {
		ret = odp_parts[i].init();
		if (ret) {
			odp_parts_exit(i);
			return ret;
		}
	}
	return 0;
}

static void __exit odp_module_exit(void)
{
	odp_parts_exit(ARRAY_SIZE(odp_parts));
}

module_init(odp_module_init);
module_exit(odp_module_exit);

MODULE_AUTHOR("the rxe-odp developers");
MODULE_DESCRIPTION("On-demand paging for RDMA drivers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
