// SPDX-License-Identifier: GPL-2.0
/* The module: `rdma link`, and what becomes of the netdevs below. */
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <net/net_namespace.h>
#include <rdma/rdma_netlink.h>

#include "rxe.h"
#include "rxe_net.h"
#include "rxe_qp_verbs.h"
#include "rxe_task.h"
#include "rxe_wire.h"

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

/* Of a netdev that went while its link was being made, no event has told us. */
static int rxe_check_netdev(struct net_device *ndev)
{
	struct rxe_dev *rxe;
	int ret = 0;

	rtnl_lock();
	if (ndev->reg_state != NETREG_REGISTERED) {
		ret = -ENODEV;
		rxe = rxe_of_netdev(ndev);
		if (rxe) {
			rxe_remove(rxe);
			ib_device_put(&rxe->ib);
		}
	}
	rtnl_unlock();
	return ret;
}

static int rxe_newlink(const char *name, struct net_device *ndev)
{
	struct rxe_dev *rxe;

	if (is_vlan_dev(ndev)) {
		netdev_err(ndev, "rxe: use the device below the VLAN\n");
		return -EPERM;
	}
	rxe = rxe_of_netdev(ndev);
	if (rxe) {
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

/* --- the end of a device -------------------------------------------------- */

static int rxe_client_add(struct ib_device *ibdev)
{
	return ibdev->ops.owner == THIS_MODULE ? 0 : -EOPNOTSUPP;
}

/*
 * Clients hear of it in the reverse order of their registration. So this is before
 * ib_uverbs, on which this module depends, waits for verbs under way.
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

/* --- nobody else may do the same ------------------------------------------ */

static bool rxe_netns_has_links(struct net *net)
{
	struct net_device *ndev;
	struct ib_device *ibdev;

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
 * Two drivers of this id would take each other's devices for their own. A
 * module of our name the kernel itself keeps us from joining; this finds one of
 * another name, if it has links.
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
		pr_err("rdma_rxe: this kernel has its own built in; it takes a kernel with CONFIG_RDMA_RXE=m or =n\n");
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
	/* Queue pairs that have been destroyed are freed by our code. */
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
/* Debian 12's DKMS takes two modules without a version for the same, and keeps the kernel's. */
MODULE_VERSION("0.1.0");
MODULE_ALIAS_RDMA_LINK("rxe");
