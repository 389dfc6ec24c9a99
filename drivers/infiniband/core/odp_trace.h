/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of the group ib_umem_odp: faults with their duration, pages and
 * result; invalidations with the reason that the mm gives. @owner is the PID of
 * the process whose memory it is.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ib_umem_odp

#if !defined(ODP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ODP_TRACE_H

#include <linux/tracepoint.h>
#include <rdma/ib_verbs.h>

#include "odp_mirror.h"

#define ODP_EVENTS					\
	EM(MMU_NOTIFY_UNMAP, "unmap")			\
	EM(MMU_NOTIFY_CLEAR, "clear")			\
	EM(MMU_NOTIFY_PROTECTION_VMA, "protection_vma")	\
	EM(MMU_NOTIFY_PROTECTION_PAGE, "protection_page") \
	EM(MMU_NOTIFY_SOFT_DIRTY, "soft_dirty")		\
	EM(MMU_NOTIFY_RELEASE, "release")		\
	EM(MMU_NOTIFY_MIGRATE, "migrate")		\
	EMe(MMU_NOTIFY_EXCLUSIVE, "exclusive")

#undef EM
#undef EMe
#define EM(event, name) TRACE_DEFINE_ENUM(event);
#define EMe(event, name) TRACE_DEFINE_ENUM(event);
ODP_EVENTS
#undef EM
#undef EMe
#define EM(event, name) { event, name },
#define EMe(event, name) { event, name }

TRACE_EVENT(odp_fault_begin,
	TP_PROTO(const struct ib_umem_odp *umem, unsigned long start,
		 unsigned long end, bool write, bool prefetch),
	TP_ARGS(umem, start, end, write, prefetch),
	TP_STRUCT__entry(
		__array(char, device, IB_DEVICE_NAME_MAX)
		__field(pid_t, owner)
		__field(unsigned long, start)
		__field(unsigned long, bytes)
		__field(bool, write)
		__field(bool, prefetch)
	),
	TP_fast_assign(
		strscpy(__entry->device, odp_mirror_name(umem->mirror),
			IB_DEVICE_NAME_MAX);
		__entry->owner = umem->mirror->owner;
		__entry->start = start;
		__entry->bytes = end - start;
		__entry->write = write;
		__entry->prefetch = prefetch;
	),
	TP_printk("dev=%s owner=%d addr=0x%lx bytes=%lu for=%s why=%s",
		  __entry->device, __entry->owner, __entry->start,
		  __entry->bytes, __entry->write ? "write" : "read",
		  __entry->prefetch ? "prefetch" : "access")
);

TRACE_EVENT(odp_fault_end,
	TP_PROTO(const struct ib_umem_odp *umem, unsigned long start,
		 unsigned long pages, long result, u64 ns),
	TP_ARGS(umem, start, pages, result, ns),
	TP_STRUCT__entry(
		__array(char, device, IB_DEVICE_NAME_MAX)
		__field(pid_t, owner)
		__field(unsigned long, start)
		__field(unsigned long, pages)
		__field(int, error)
		__field(u64, ns)
	),
	TP_fast_assign(
		strscpy(__entry->device, odp_mirror_name(umem->mirror),
			IB_DEVICE_NAME_MAX);
		__entry->owner = umem->mirror->owner;
		__entry->start = start;
		__entry->pages = pages;
		__entry->error = min(result, 0L);
		__entry->ns = ns;
	),
	TP_printk("dev=%s owner=%d addr=0x%lx pages=%lu error=%d ns=%llu",
		  __entry->device, __entry->owner, __entry->start,
		  __entry->pages, __entry->error, __entry->ns)
);

TRACE_EVENT(odp_invalidate,
	TP_PROTO(const struct odp_mirror *mirror,
		 const struct mmu_notifier_range *range, unsigned long pages),
	TP_ARGS(mirror, range, pages),
	TP_STRUCT__entry(
		__array(char, device, IB_DEVICE_NAME_MAX)
		__field(pid_t, owner)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(int, event)
		__field(unsigned long, pages)
	),
	TP_fast_assign(
		strscpy(__entry->device, odp_mirror_name(mirror),
			IB_DEVICE_NAME_MAX);
		__entry->owner = mirror->owner;
		__entry->start = range->start;
		__entry->end = range->end;
		__entry->event = range->event;
		__entry->pages = pages;
	),
	TP_printk("dev=%s owner=%d addr=0x%lx-0x%lx event=%s pages=%lu",
		  __entry->device, __entry->owner, __entry->start,
		  __entry->end,
		  __print_symbolic(__entry->event, ODP_EVENTS),
		  __entry->pages)
);

#endif /* ODP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE odp_trace
#include <trace/define_trace.h>
