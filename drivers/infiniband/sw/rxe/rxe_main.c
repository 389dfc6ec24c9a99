// SPDX-License-Identifier: GPL-2.0
/* The module: the `rdma link` commands and netdev events. */
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <net/net_namespace.h>
#include <rdma/rdma_netlink.h>

#include "rxe.h"
#include "rxe_crc32.h"
#include "rxe_device.h"
#include "rxe_net.h"
#include "rxe_qp_verbs.h"
#include "rxe_skb.h"
#include "rxe_task.h"
#include "rxe_wire.h"

/* Returns the netdev's link with a reference, or NULL. */
static struct rxe_dev *rxe_of_netdev(struct net_device *ndev)
{
	struct ib_device *ibdev = ib_device_get_by_netdev(ndev,
							  RDMA_DRIVER_RXE);

	return ibdev ? to_rxe(ibdev) : NULL;
}

static void rxe_remove(struct rxe_dev *rxe)
{
	ib_unregister_device_queued(&rxe->ib);
	rxe_device_removing(rxe);
}

/* --- links ---------------------------------------------------------------- */

/* Is the netdev still where it was when its link was created? */
static bool rxe_netdev_is_here(const struct rxe_dev *rxe,
			       const struct net_device *ndev)
{
	ASSERT_RTNL();
	return net_eq(dev_net(ndev), rxe->net) &&
	       ndev->ifindex == rxe->ifindex;
}

/*
 * If the netdev was unregistered, or moved to another network namespace, while
 * its link was being created, the netdev notifier did not find the link. Remove
 * the link here.
 */
static int rxe_check_netdev(struct net_device *ndev)
{
	struct rxe_dev *rxe;
	int ret = 0;

	rtnl_lock();
	rxe = rxe_of_netdev(ndev);
	if (ndev->reg_state != NETREG_REGISTERED ||
	    (rxe && !rxe_netdev_is_here(rxe, ndev)))
		ret = -ENODEV;
	if (rxe) {
		if (ret)
			rxe_remove(rxe);
		ib_device_put(&rxe->ib);
	}
	rtnl_unlock();
	return ret;
}

static int rxe_newlink(const char *name, struct net_device *ndev)
{
	struct rxe_dev *rxe;

	if (is_vlan_dev(ndev)) {
		netdev_err(ndev,
			   "rxe: add the link to the netdev below the VLAN\n");
		return -EPERM;
	}
	rxe = rxe_of_netdev(ndev);
	if (rxe) {
		netdev_dbg(ndev, "rxe: the netdev has a link already\n");
		ib_device_put(&rxe->ib);
		return -EEXIST;
	}
	return rxe_device_add(name, ndev) ?: rxe_check_netdev(ndev);
}

static struct rdma_link_ops rxe_link_ops = {
	.type = "rxe",
	.newlink = rxe_newlink,
};

/* --- netdevs -------------------------------------------------------------- */

static int rxe_netdev_event(struct notifier_block *nb, unsigned long event,
			    void *info)
{
	struct rxe_dev *rxe = rxe_of_netdev(netdev_notifier_info_to_dev(info));

	if (!rxe)
		return NOTIFY_DONE;
	switch (event) {
	case NETDEV_UNREGISTER:
		rxe_remove(rxe);
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
		rxe_device_link_changed(rxe);
		break;
	}
	ib_device_put(&rxe->ib);
	return NOTIFY_DONE;
}

static struct notifier_block rxe_netdev_notifier = {
	.notifier_call = rxe_netdev_event,
};

/* --- removing a device ---------------------------------------------------- */

static int rxe_client_add(struct ib_device *ibdev)
{
	return ibdev->ops.owner == THIS_MODULE ? 0 : -EOPNOTSUPP;
}

/*
 * The core notifies clients of a removal in reverse order of registration. This
 * module depends on ib_uverbs, so it registers later and is notified earlier:
 * before ib_uverbs waits for verbs under way, which may wait for prefetches.
 */
static void rxe_client_remove(struct ib_device *ibdev, void *data)
{
	umem_odp_device_removing(&to_rxe(ibdev)->odp);
}

static struct ib_client rxe_client = {
	.name = "rxe",
	.add = rxe_client_add,
	.remove = rxe_client_remove,
};

/* --- no other rxe driver -------------------------------------------------- */

static bool rxe_netns_has_links(struct net *net)
{
	struct net_device *ndev;
	struct ib_device *ibdev;

	lockdep_assert_in_rcu_read_lock();

	for_each_netdev_rcu(net, ndev) {
		ibdev = ib_device_get_by_netdev(ndev, RDMA_DRIVER_RXE);
		if (ibdev) {
			ib_device_put(ibdev);
			return true;
		}
	}
	return false;
}

/*
 * Two drivers with RDMA_DRIVER_RXE would take each other's devices for their
 * own. The kernel refuses to load a second module of the same name. This finds
 * a driver with another module name if it has links.
 */
static bool rxe_others_have_links(void)
{
	bool found = false;
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net)
		found = found || rxe_netns_has_links(net);
	rcu_read_unlock();
	return found;
}

static int rxe_check_alone(void)
{
	if (IS_BUILTIN(CONFIG_RDMA_RXE)) {
		pr_err("rdma_rxe: the kernel's rxe driver is built in; this module needs a kernel with CONFIG_RDMA_RXE=m or =n\n");
		return -EEXIST;
	}
	if (rxe_others_have_links()) {
		pr_err("rdma_rxe: another rxe driver is loaded; delete its links (rdma link delete NAME), unload it and try again\n");
		return -EEXIST;
	}
	return 0;
}

/* --- the module ----------------------------------------------------------- */

static int __init rxe_init(void)
{
	int ret;

	ret = rxe_check_alone();
	if (ret)
		return ret;
	ret = rxe_qp_module_init();
	if (ret)
		return ret;
	ret = rxe_task_module_init();
	if (ret)
		goto err_qp;
	ret = rxe_net_module_init();
	if (ret)
		goto err_task;
	ret = register_netdevice_notifier(&rxe_netdev_notifier);
	if (ret)
		goto err_net;
	ret = ib_register_client(&rxe_client);
	if (ret)
		goto err_notifier;
	rxe_crc32_module_init();
	rdma_link_register(&rxe_link_ops);
	return 0;

err_notifier:
	unregister_netdevice_notifier(&rxe_netdev_notifier);
err_net:
	rxe_net_module_exit();
err_task:
	rxe_task_module_exit();
err_qp:
	rxe_qp_module_exit();
	return ret;
}

static void __exit rxe_exit(void)
{
	rdma_link_unregister(&rxe_link_ops);
	unregister_netdevice_notifier(&rxe_netdev_notifier);
	ib_unregister_driver(RDMA_DRIVER_RXE);
	ib_unregister_client(&rxe_client);
	umem_odp_settle();
	/* RCU callbacks that free destroyed objects run code of this module. */
	rcu_barrier();
	rxe_net_module_exit();
	rxe_task_module_exit();
	rxe_qp_module_exit();
	rxe_crc32_module_exit();
	rxe_skb_module_exit();
}

module_init(rxe_init);
module_exit(rxe_exit);

MODULE_AUTHOR("the rxe-odp developers");
MODULE_DESCRIPTION("Soft RoCE with on-demand paging");
MODULE_LICENSE("GPL");
/*
 * DKMS of Debian 12 considers two modules without a version equal, and would
 * keep the kernel's module instead of this one.
 */
MODULE_VERSION("0.1.0");
MODULE_ALIAS_RDMA_LINK("rxe");
