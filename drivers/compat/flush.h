/* SPDX-License-Identifier: GPL-2.0 */
/*
 * FLUSH and ATOMIC WRITE, with the numbers that newer kernels and rdma-core
 * use. The RDMA core of older kernels refuses regions with flush access, so the
 * device does not offer FLUSH there. ATOMIC WRITE needs no support by the core.
 */
#ifndef RXE_ODP_COMPAT_FLUSH_H
#define RXE_ODP_COMPAT_FLUSH_H

#include <linux/bits.h>
#include <linux/types.h>

#define IB_OPCODE_RC_FLUSH		0x1c
#define IB_OPCODE_RC_ATOMIC_WRITE	0x1d

#define IB_WR_FLUSH			14
#define IB_WR_ATOMIC_WRITE		15
#define IB_WC_FLUSH			8
#define IB_WC_ATOMIC_WRITE		9
#define IB_UVERBS_WC_FLUSH		8
#define IB_UVERBS_WC_ATOMIC_WRITE	9

#define IB_ACCESS_FLUSH_GLOBAL		BIT(8)
#define IB_ACCESS_FLUSH_PERSISTENT	BIT(9)
#define IB_DEVICE_FLUSH_GLOBAL		0
#define IB_DEVICE_ATOMIC_WRITE		BIT_ULL(40)

#define IB_FLUSH_GLOBAL			BIT(0)
#define IB_FLUSH_PERSISTENT		BIT(1)
#define IB_FLUSH_RANGE			0
#define IB_FLUSH_MR			1

/* The layout of rxe_send_wr.wr.flush, which older kernels do not declare. */
struct compat_flush {
	__aligned_u64 remote_addr;
	__u32 length;
	__u32 rkey;
	__u8 type;
	__u8 level;
};

#define compat_flush(_wr) ((const struct compat_flush *)&(_wr)->wr)

#endif /* RXE_ODP_COMPAT_FLUSH_H */
