// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The device
 *
 * A link is an ib_device on a netdev. It is removed by ``rdma link delete``,
 * when its netdev is removed or moves to another network namespace, or when the
 * module is unloaded. In each case the RDMA core unregisters the device and
 * calls rxe_dealloc_driver() last.
 */
#include <linux/etherdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_mad.h>

#include "rxe_advise.h"
#include "rxe_ah.h"
#include "rxe_counters.h"
#include "rxe_cq.h"
#include "rxe_device.h"
#include "rxe_frwr.h"
#include "rxe_gid.h"
#include "rxe_mad.h"
#include "rxe_mcast.h"
#include "rxe_mmap.h"
#include "rxe_mw.h"
#include "rxe_net.h"
#include "rxe_pd.h"
#include "rxe_post.h"
#include "rxe_qp.h"
#include "rxe_qp_verbs.h"
#include "rxe_quota.h"
#include "rxe_restrack.h"
#include "rxe_srq.h"

#define RXE_CAP_FLAGS						\
	(IB_DEVICE_CURR_QP_STATE_MOD | IB_DEVICE_PORT_ACTIVE_EVENT |	\
	 IB_DEVICE_SYS_IMAGE_GUID | IB_DEVICE_RC_RNR_NAK_GEN |	\
	 IB_DEVICE_UD_AV_PORT_ENFORCE |				\
	 IB_DEVICE_SRQ_RESIZE | IB_DEVICE_MEM_WINDOW |		\
	 IB_DEVICE_MEM_WINDOW_TYPE_2B |				\
	 IB_DEVICE_MEM_MGT_EXTENSIONS |				\
	 IB_DEVICE_FLUSH_GLOBAL | IB_DEVICE_ATOMIC_WRITE)

#define RXE_ODP_RC						\
	(IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV |		\
	 IB_ODP_SUPPORT_WRITE | IB_ODP_SUPPORT_READ |		\
	 IB_ODP_SUPPORT_ATOMIC | IB_ODP_SUPPORT_FLUSH |		\
	 IB_ODP_SUPPORT_ATOMIC_WRITE | IB_ODP_SUPPORT_SRQ_RECV)

#define RXE_ODP_UC						\
	(IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV |		\
	 IB_ODP_SUPPORT_WRITE | IB_ODP_SUPPORT_SRQ_RECV)

#define RXE_ODP_UD						\
	(IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV |		\
	 IB_ODP_SUPPORT_SRQ_RECV)

/* --- attributes ----------------------------------------------------------- */

static int rxe_query_device(struct ib_device *ibdev,
			    struct ib_device_attr *attr, struct ib_udata *udata)
{
	const struct rxe_quota *quotas = to_rxe(ibdev)->quotas;

	if (udata && (udata->inlen || udata->outlen)) {
		ibdev_dbg(ibdev, "query_device: unknown driver data\n");
		return -EINVAL;
	}

	*attr = (struct ib_device_attr){
		.sys_image_guid = ibdev->node_guid,
		.max_mr_size = U64_MAX,
		.page_size_cap = ~(u64)(PAGE_SIZE - 1),
		.vendor_id = RXE_VENDOR_ID,
		.max_qp = quotas[RXE_OBJECT_QP].max,
		.max_qp_wr = RXE_MAX_WR,
		.device_cap_flags = RXE_CAP_FLAGS,
		.kernel_cap_flags = IBK_ALLOW_USER_UNREG | IBK_ON_DEMAND_PAGING,
		.max_send_sge = RXE_MAX_SGE,
		.max_recv_sge = RXE_MAX_SGE,
		.max_sge_rd = RXE_MAX_SGE,
		.max_cq = quotas[RXE_OBJECT_CQ].max,
		.max_cqe = RXE_MAX_CQE,
		.max_mr = quotas[RXE_OBJECT_MR].max,
		.max_mw = quotas[RXE_OBJECT_MW].max,
		.max_fast_reg_page_list_len = RXE_MAX_FRWR_PAGES,
		.max_pd = quotas[RXE_OBJECT_PD].max,
		.max_ah = quotas[RXE_OBJECT_AH].max,
		.max_qp_rd_atom = RXE_MAX_RD_ATOMIC,
		.max_qp_init_rd_atom = RXE_MAX_RD_ATOMIC,
		.max_res_rd_atom = RXE_MAX_RD_ATOMIC *
				   quotas[RXE_OBJECT_QP].max,
		/*
		 * The device uses the CPU's atomic instructions, so its atomics
		 * are atomic for the CPU, too. It reports IB_ATOMIC_HCA
		 * nevertheless: a peer cannot see the difference, and clients
		 * expect this value.
		 */
		.atomic_cap = IB_ATOMIC_HCA,
		.max_srq = quotas[RXE_OBJECT_SRQ].max,
		.max_srq_wr = RXE_MAX_SRQ_WR,
		.max_srq_sge = RXE_MAX_SRQ_SGE,
		.max_mcast_grp = RXE_MAX_MCAST_GRP,
		.max_mcast_qp_attach = RXE_MAX_MCAST_QP,
		.max_total_mcast_qp_attach = RXE_MAX_MCAST_GRP *
					     RXE_MAX_MCAST_QP,
		.max_pkeys = 1,
		.local_ca_ack_delay = RXE_ACK_DELAY,
		.odp_caps = {
			.general_caps = IB_ODP_SUPPORT |
					IB_ODP_SUPPORT_IMPLICIT,
			.per_transport_caps.rc_odp_caps = RXE_ODP_RC,
			.per_transport_caps.uc_odp_caps = RXE_ODP_UC,
			.per_transport_caps.ud_odp_caps = RXE_ODP_UD,
		},
	};
	return 0;
}

static bool rxe_link_is_up(const struct rxe_dev *rxe)
{
	return netif_running(rxe->ndev) && netif_carrier_ok(rxe->ndev);
}

static u8 rxe_phys_state(const struct rxe_dev *rxe)
{
	if (rxe_link_is_up(rxe))
		return IB_PORT_PHYS_STATE_LINK_UP;
	return netif_running(rxe->ndev) ? IB_PORT_PHYS_STATE_POLLING :
					  IB_PORT_PHYS_STATE_DISABLED;
}

/* The core has cleared *@attr. */
static int rxe_query_port(struct ib_device *ibdev, u32 port,
			  struct ib_port_attr *attr)
{
	struct rxe_dev *rxe = to_rxe(ibdev);

	if (port != RXE_PORT)
		return -EINVAL;
	attr->state = rxe_link_is_up(rxe) ? IB_PORT_ACTIVE : IB_PORT_DOWN;
	attr->phys_state = rxe_phys_state(rxe);
	attr->max_mtu = IB_MTU_4096;
	attr->active_mtu = rxe_active_mtu(rxe);
	attr->gid_tbl_len = RXE_GID_TABLE;
	attr->port_cap_flags = IB_PORT_CM_SUP;
	attr->pkey_tbl_len = 1;
	attr->max_msg_sz = RXE_MAX_MSG;
	attr->max_vl_num = 1;
	return ib_get_eth_speed(ibdev, port, &attr->active_speed,
				&attr->active_width);
}

static int rxe_get_port_immutable(struct ib_device *ibdev, u32 port,
				  struct ib_port_immutable *immutable)
{
	if (port != RXE_PORT)
		return -EINVAL;
	immutable->core_cap_flags = RDMA_CORE_PORT_IBA_ROCE_UDP_ENCAP;
	immutable->max_mad_size = IB_MGMT_MAD_SIZE;
	immutable->gid_tbl_len = RXE_GID_TABLE;
	immutable->pkey_tbl_len = 1;
	return 0;
}

static enum rdma_link_layer rxe_get_link_layer(struct ib_device *ibdev,
					       u32 port)
{
	return IB_LINK_LAYER_ETHERNET;
}

static int rxe_query_pkey(struct ib_device *ibdev, u32 port, u16 index,
			  u16 *pkey)
{
	if (port != RXE_PORT || index) {
		ibdev_dbg(ibdev, "query_pkey: port %u has no P_Key %u\n", port,
			  index);
		return -EINVAL;
	}
	*pkey = RXE_PKEY;
	return 0;
}

static int rxe_modify_device(struct ib_device *ibdev, int mask,
			     struct ib_device_modify *attr)
{
	if (mask & ~IB_DEVICE_MODIFY_NODE_DESC) {
		ibdev_dbg(ibdev,
			  "modify_device: mask 0x%x is not supported\n", mask);
		return -EOPNOTSUPP;
	}
	if (mask & IB_DEVICE_MODIFY_NODE_DESC)
		memcpy(ibdev->node_desc, attr->node_desc,
		       sizeof(ibdev->node_desc));
	return 0;
}

/* --- the netdev below ----------------------------------------------------- */

static ssize_t parent_show(struct device *device, struct device_attribute *attr,
			   char *buf)
{
	struct rxe_dev *rxe = rdma_device_to_drv_device(device, struct rxe_dev,
							ib);

	return sysfs_emit(buf, "%s\n", rxe->ndev->name);
}

static DEVICE_ATTR_RO(parent);

static struct attribute *rxe_attrs[] = {
	&dev_attr_parent.attr,
	NULL
};

static const struct attribute_group rxe_attr_group = {
	.attrs = rxe_attrs,
};

static void rxe_port_event(struct rxe_dev *rxe, enum ib_event_type type)
{
	struct ib_event event = {
		.device = &rxe->ib,
		.element.port_num = RXE_PORT,
		.event = type,
	};

	if (!compat_core_reports_port_state)
		ib_dispatch_event(&event);
}

/**
 * rxe_device_link_changed() - announce a change of the netdev's link state
 * @rxe: the device; the state need not have changed
 *
 * Context: netdev notifier. RTNL is held, which serializes the calls.
 */
void rxe_device_link_changed(struct rxe_dev *rxe)
{
	bool up = rxe_link_is_up(rxe);

	ASSERT_RTNL();

	if (up == test_bit(RXE_DEV_UP, &rxe->flags))
		return;
	assign_bit(RXE_DEV_UP, &rxe->flags, up);
	if (!up) {
		local_bh_disable();
		rxe_count(rxe, RXE_CNT_LINK_DOWNED);
		local_bh_enable();
	}
	rxe_port_event(rxe, up ? IB_EVENT_PORT_ACTIVE : IB_EVENT_PORT_ERR);
}

/**
 * rxe_device_removing() - close a device that is about to be removed
 * @rxe: the device; may be closed already
 *
 * When this returns, no packet reaches the device. Its objects may still exist.
 *
 * Context: process context; may sleep; RTNL may be held.
 */
void rxe_device_removing(struct rxe_dev *rxe)
{
	if (!test_and_clear_bit(RXE_DEV_OPEN, &rxe->flags))
		return;
	rxe_net_close(rxe);
}

/* --- creating and freeing ------------------------------------------------- */

/* Frees a device's resources; the device need not have been registered. */
static void rxe_dealloc_driver(struct ib_device *ibdev)
{
	struct rxe_dev *rxe = to_rxe(ibdev);

	rxe_device_removing(rxe);
	rxe_mcast_destroy(rxe);
	rxe_table_destroy(&rxe->qps);
	rxe_table_destroy(&rxe->keys);
	xa_destroy(&rxe->ahs);
	ida_destroy(&rxe->srqs);
	free_percpu(rxe->counters);
	netdev_put(rxe->ndev, &rxe->ndev_tracker);
}

const struct ib_device_ops rxe_device_ops = {
	.owner = THIS_MODULE,
	.driver_id = RDMA_DRIVER_RXE,
	.uverbs_abi_ver = RXE_UVERBS_ABI_VERSION,
	.device_group = &rxe_attr_group,

	.add_gid = rxe_add_gid,
	.advise_mr = rxe_advise_mr,
	.alloc_hw_port_stats = rxe_alloc_hw_port_stats,
	.alloc_ucontext = rxe_alloc_ucontext,
	.attach_mcast = rxe_attach_mcast,
	.dealloc_driver = rxe_dealloc_driver,
	.dealloc_ucontext = rxe_dealloc_ucontext,
	.del_gid = rxe_del_gid,
	.detach_mcast = rxe_detach_mcast,
	.disassociate_ucontext = rxe_disassociate_ucontext,
	.fill_res_mr_entry = rxe_fill_res_mr_entry,
	.fill_stat_mr_entry = rxe_fill_stat_mr_entry,
	.get_hw_stats = rxe_get_hw_stats,
	.get_link_layer = rxe_get_link_layer,
	.get_port_immutable = rxe_get_port_immutable,
	.map_mr_sg = rxe_map_mr_sg,
	.mmap = rxe_mmap,
	.modify_ah = rxe_modify_ah,
	.modify_device = rxe_modify_device,
	.modify_qp = rxe_modify_qp,
	.modify_srq = rxe_modify_srq,
	.poll_cq = rxe_poll_cq,
	.post_recv = rxe_post_recv,
	.post_send = rxe_post_send,
	.post_srq_recv = rxe_post_srq_recv,
	.process_mad = rxe_process_mad,
	.query_ah = rxe_query_ah,
	.query_device = rxe_query_device,
	.query_pkey = rxe_query_pkey,
	.query_port = rxe_query_port,
	.query_qp = rxe_query_qp,
	.query_srq = rxe_query_srq,
	.req_notify_cq = rxe_req_notify_cq,
	.resize_user_cq = rxe_resize_cq,

	INIT_RDMA_OBJ_SIZE(ib_ah, rxe_ah, ib),
	INIT_RDMA_OBJ_SIZE(ib_cq, rxe_cq, ib),
	INIT_RDMA_OBJ_SIZE(ib_mw, rxe_mw_handle, ib),
	INIT_RDMA_OBJ_SIZE(ib_pd, rxe_pd, ib),
	INIT_RDMA_OBJ_SIZE(ib_qp, rxe_qp_handle, ib),
	INIT_RDMA_OBJ_SIZE(ib_srq, rxe_srq, ib),
	INIT_RDMA_OBJ_SIZE(ib_ucontext, rxe_ucontext, ib),
};

/*
 * Makes a GUID from the netdev's MAC address, or a random one if it has none.
 */
static __be64 rxe_guid(const struct net_device *ndev)
{
	u8 mac[ETH_ALEN];
	__be64 guid;

	if (ndev->addr_len == ETH_ALEN)
		ether_addr_copy(mac, ndev->dev_addr);
	else
		eth_random_addr(mac);
	addrconf_addr_eui48((u8 *)&guid, (const char *)mac);
	return guid;
}

static void rxe_device_describe(struct ib_device *ibdev,
				const struct net_device *ndev)
{
	strscpy(ibdev->node_desc, "rxe", sizeof(ibdev->node_desc));
	ibdev->node_type = RDMA_NODE_IB_CA;
	ibdev->node_guid = rxe_guid(ndev);
	ibdev->phys_port_cnt = 1;
	ibdev->num_comp_vectors = num_possible_cpus();
	ibdev->uverbs_cmd_mask |= BIT_ULL(IB_USER_VERBS_CMD_POST_SEND) |
				  BIT_ULL(IB_USER_VERBS_CMD_REQ_NOTIFY_CQ);
}

static struct rxe_dev *rxe_device_alloc(struct net_device *ndev)
{
	struct rxe_dev *rxe =
		ib_alloc_device_with_net(rxe_dev, ib, dev_net(ndev));

	if (!rxe)
		return NULL;
	rxe->ndev = ndev;
	if (rxe_mcast_init(rxe)) {
		ib_dealloc_device(&rxe->ib);
		return NULL;
	}
	netdev_hold(ndev, &rxe->ndev_tracker, GFP_KERNEL);
	rxe_table_init(&rxe->qps);
	rxe_table_init(&rxe->keys);
	xa_init_flags(&rxe->ahs, XA_FLAGS_ALLOC);
	ida_init(&rxe->srqs);
	umem_odp_device_init(&rxe->odp, &rxe->ib);
	rxe_quota_init(rxe);
	mutex_init(&rxe->mmaps_lock);
	INIT_LIST_HEAD(&rxe->mmaps);
	assign_bit(RXE_DEV_UP, &rxe->flags, rxe_link_is_up(rxe));
	rxe_device_describe(&rxe->ib, ndev);
	ib_set_device_ops(&rxe->ib, &rxe_device_ops);
	ib_set_device_ops(&rxe->ib, &rxe_counted_ops);
	return rxe;
}

static int rxe_device_open(struct rxe_dev *rxe)
{
	int ret = rxe_net_open(rxe);

	if (!ret)
		set_bit(RXE_DEV_OPEN, &rxe->flags);
	else if (ret == -EADDRINUSE)
		netdev_err(rxe->ndev,
			   "rxe: UDP port %d is in use, maybe by another RoCE driver\n",
			   RXE_ROCE_V2_UDP_PORT);
	return ret;
}

static int rxe_device_register(struct rxe_dev *rxe, const char *name)
{
	int ret;

	rxe->counters = alloc_percpu(struct rxe_counters);
	if (!rxe->counters)
		return -ENOMEM;
	ret = ib_device_set_netdev(&rxe->ib, rxe->ndev, RXE_PORT);
	if (ret)
		return ret;
	ret = rxe_device_open(rxe);
	if (ret)
		return ret;
	return ib_register_device(&rxe->ib, name, NULL);
}

/**
 * rxe_device_add() - create and register a device
 * @name: name of the device; may contain a %d
 * @ndev: the netdev below
 *
 * The device may have been removed again when this returns.
 *
 * Context: process context; may sleep; RTNL is not held.
 * Return: 0; -ENOMEM; -EADDRINUSE: UDP port 4791 is in use; or the error of
 * registering the device.
 */
int rxe_device_add(const char *name, struct net_device *ndev)
{
	struct rxe_dev *rxe = rxe_device_alloc(ndev);
	int ret;

	if (!rxe)
		return -ENOMEM;
	ret = rxe_device_register(rxe, name);
	if (ret)
		ib_dealloc_device(&rxe->ib);
	return ret;
}
