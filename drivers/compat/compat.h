/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All differences between kernel versions are handled in this folder. The code
 * outside of it is written for the newest kernel. This header is included
 * before all others; config.h has the results of the feature tests in tests/.
 */
#ifndef RXE_ODP_COMPAT_H
#define RXE_ODP_COMPAT_H

#include "config.h"

#ifndef HAVE_IB_UMEM_GET_VA
#define ib_umem_get_va ib_umem_get
#endif

#ifndef HAVE_ALLOC_DEVICE_WITH_NET
#define ib_alloc_device_with_net(type, member, net) \
	ib_alloc_device(type, member)
#endif

#ifndef HAVE_CREATE_CQ_ATTRS
#define compat_create_cq_attrs ib_udata
#define compat_cq_udata(attrs) (attrs)
#else
#define compat_create_cq_attrs uverbs_attr_bundle
#define compat_cq_udata(attrs) ((attrs) ? &(attrs)->driver_udata : NULL)
#endif

#ifndef HAVE_RESIZE_USER_CQ
#define resize_user_cq resize_cq
#define compat_resize_cqe int
#else
#define compat_resize_cqe unsigned int
#endif

#ifndef HAVE_REG_MR_DMAH
#define compat_dmah_param
#define compat_dmah_arg
#else
#define compat_dmah_param struct ib_dmah *dmah,
#define compat_dmah_arg dmah,
#endif

#ifndef HAVE_PORT_STATE_EVENT
#define compat_core_reports_port_state false
#else
#define compat_core_reports_port_state true
#endif

/* Older kernels have no names for these bits; rdma-core uses them on all. */
#ifndef HAVE_ODP_FLUSH_CAPS
#define IB_ODP_SUPPORT_ATOMIC_WRITE	(1 << 7)
#ifdef HAVE_FLUSH
#define IB_ODP_SUPPORT_FLUSH		(1 << 6)
#else
#define IB_ODP_SUPPORT_FLUSH		0
#endif
#endif

#ifndef HAVE_FLUSH
#include "flush.h"
#else
#define compat_flush(wr) (&(wr)->wr.flush)
#endif

#ifndef HAVE_SHRINKER_ALLOC
#include "shrinker.h"
#endif

#ifndef HAVE_LIST_LRU_ADD_OBJ
#define list_lru_add_obj list_lru_add
#define list_lru_del_obj list_lru_del
#endif

#ifndef HAVE_LIST_LRU_INIT_MEMCG_KEY
#define list_lru_init_memcg_key(lru, shrinker, key) \
	__list_lru_init(lru, true, key, shrinker)
#endif

#ifndef HAVE_LIST_LRU_WALK_UNLOCKED
#define compat_lru_lock_param spinlock_t *lock,
#else
#define compat_lru_lock_param
#endif

#ifndef HAVE_ACCOUNT_RECLAIMED
#define mm_account_reclaimed_pages(pages) do {				\
	if (current->reclaim_state)					\
		current->reclaim_state->reclaimed_slab += (pages);	\
} while (0)
#endif

#ifndef HAVE_YOUNG_BOOL
#define compat_young int
#else
#define compat_young bool
#endif

#ifndef HAVE_LOCKDEP_IN_RCU
#define lockdep_assert_in_rcu_read_lock()				\
	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "no RCU read section")
#endif

#ifndef HAVE_INET_FLAGS
#define compat_mc_loop(sk) (inet_sk(sk)->mc_loop = 1)
#else
#define compat_mc_loop(sk) inet_set_bit(MC_LOOP, sk)
#endif

/* In older kernels, workqueues are bound to CPUs by default. */
#ifndef HAVE_WQ_PERCPU
#define WQ_PERCPU 0
#endif

#ifndef HAVE_HRTIMER_SETUP
#include "hrtimer.h"
#endif

/* In older kernels, local_bh_disable() keeps out a CPU's other threads. */
#ifndef HAVE_LOCAL_LOCK_NESTED_BH
#define local_lock_nested_bh(lock) lockdep_assert_in_softirq()
#define local_unlock_nested_bh(lock) do { } while (0)
#endif

#ifndef HAVE_UDP_TUNNEL_TAKES_SOCK
#define compat_tunnel_sock(sock) (sock)
#else
#define compat_tunnel_sock(sock) ((sock)->sk)
#endif

#ifndef HAVE_VM_FLAGS_SET
#define vm_flags_set(vma, flags) ((vma)->vm_flags |= (flags))
#endif

#ifndef HAVE_SHADOW_STACK
#define VM_SHADOW_STACK VM_NONE
#endif

#include "copy.h"
#include "crc32.h"

#endif /* RXE_ODP_COMPAT_H */
