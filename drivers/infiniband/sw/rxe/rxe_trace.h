/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints of the group rdma_rxe: QPs that park for a page and resume. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rdma_rxe

#if !defined(RXE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RXE_TRACE_H

#include <linux/tracepoint.h>

#include "rxe_qp.h"

#define RXE_TRACE_ROLE_MAX 16

TRACE_EVENT(rxe_park,
	TP_PROTO(const struct rxe_fault *fault),
	TP_ARGS(fault),
	TP_STRUCT__entry(
		__array(char, device, IB_DEVICE_NAME_MAX)
		__field(u32, qpn)
		__array(char, role, RXE_TRACE_ROLE_MAX)
		__field(u32, lkey)
		__field(u64, offset)
		__field(u64, bytes)
		__field(bool, write)
	),
	TP_fast_assign(
		strscpy(__entry->device,
			dev_name(&fault->qp->ib.device->dev),
			IB_DEVICE_NAME_MAX);
		__entry->qpn = fault->qp->ib.qp_num;
		strscpy(__entry->role, fault->role, RXE_TRACE_ROLE_MAX);
		__entry->lkey = fault->lkey;
		__entry->offset = fault->offset;
		__entry->bytes = fault->len;
		__entry->write = fault->write;
	),
	TP_printk("dev=%s qpn=%u role=%s lkey=0x%x offset=0x%llx bytes=%llu for=%s",
		  __entry->device, __entry->qpn, __entry->role,
		  __entry->lkey, __entry->offset, __entry->bytes,
		  __entry->write ? "write" : "read")
);

TRACE_EVENT(rxe_resume,
	TP_PROTO(const struct rxe_fault *fault, int result),
	TP_ARGS(fault, result),
	TP_STRUCT__entry(
		__array(char, device, IB_DEVICE_NAME_MAX)
		__field(u32, qpn)
		__array(char, role, RXE_TRACE_ROLE_MAX)
		__field(int, error)
		__field(u64, ns)
	),
	TP_fast_assign(
		strscpy(__entry->device,
			dev_name(&fault->qp->ib.device->dev),
			IB_DEVICE_NAME_MAX);
		__entry->qpn = fault->qp->ib.qp_num;
		strscpy(__entry->role, fault->role, RXE_TRACE_ROLE_MAX);
		__entry->error = result;
		__entry->ns = ktime_to_ns(ktime_sub(ktime_get(),
						    fault->since));
	),
	TP_printk("dev=%s qpn=%u role=%s error=%d ns=%llu",
		  __entry->device, __entry->qpn, __entry->role,
		  __entry->error, __entry->ns)
);

#endif /* RXE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE rxe_trace
#include <trace/define_trace.h>
