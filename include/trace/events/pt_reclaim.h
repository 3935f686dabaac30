/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pt_reclaim

#if !defined(_TRACE_PT_RECLAIM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PT_RECLAIM_H

#include <linux/tracepoint.h>

#define PT_RECLAIM_RESULTS				\
	EM(PT_RECLAIM_DONE,	"done")			\
	EM(PT_RECLAIM_RACED,	"raced")		\
	EM(PT_RECLAIM_BUSY,	"busy")			\
	EM(PT_RECLAIM_UNFIT,	"unfit")		\
	EM(PT_RECLAIM_GONE,	"gone")			\
	EM(PT_RECLAIM_EXITING,	"exiting")		\
	EM(PT_RECLAIM_DENIED,	"denied")		\
	EM(PT_RECLAIM_BUDGET,	"budget")		\
	EMe(PT_RECLAIM_KILLED,	"killed")

#undef EM
#undef EMe
#define EM(a, b)	TRACE_DEFINE_ENUM(a);
#define EMe(a, b)	TRACE_DEFINE_ENUM(a);

PT_RECLAIM_RESULTS

#undef EM
#undef EMe
#define EM(a, b)	{a, b},
#define EMe(a, b)	{a, b}

TRACE_EVENT(mm_pt_reclaim_range_begin,

	TP_PROTO(struct mm_struct *mm, unsigned long address, bool sync),

	TP_ARGS(mm, address, sync),

	TP_STRUCT__entry(
		__field(struct mm_struct *, mm)
		__field(unsigned long, address)
		__field(bool, sync)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->address = address;
		__entry->sync = sync;
	),

	TP_printk("mm=%p address=0x%lx sync=%d",
		  __entry->mm, __entry->address, __entry->sync)
);

TRACE_EVENT(mm_pt_reclaim_range_end,

	TP_PROTO(struct mm_struct *mm, unsigned long address,
		 unsigned long scanned, unsigned long reclaimed, u64 ns,
		 int result),

	TP_ARGS(mm, address, scanned, reclaimed, ns, result),

	TP_STRUCT__entry(
		__field(struct mm_struct *, mm)
		__field(unsigned long, address)
		__field(unsigned long, scanned)
		__field(unsigned long, reclaimed)
		__field(u64, ns)
		__field(int, result)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->address = address;
		__entry->scanned = scanned;
		__entry->reclaimed = reclaimed;
		__entry->ns = ns;
		__entry->result = result;
	),

	TP_printk("mm=%p address=0x%lx scanned=%lu reclaimed=%lu ns=%llu result=%s",
		  __entry->mm, __entry->address, __entry->scanned,
		  __entry->reclaimed, __entry->ns,
		  __print_symbolic(__entry->result, PT_RECLAIM_RESULTS))
);

TRACE_EVENT(mm_pt_reclaim_table,

	TP_PROTO(struct mm_struct *mm, unsigned long address, int result),

	TP_ARGS(mm, address, result),

	TP_STRUCT__entry(
		__field(struct mm_struct *, mm)
		__field(unsigned long, address)
		__field(int, result)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->address = address;
		__entry->result = result;
	),

	TP_printk("mm=%p address=0x%lx result=%s",
		  __entry->mm, __entry->address,
		  __print_symbolic(__entry->result, PT_RECLAIM_RESULTS))
);

TRACE_EVENT(mm_pt_reclaim_flush,

	TP_PROTO(struct mm_struct *mm, unsigned long start, unsigned long end,
		 unsigned int tables),

	TP_ARGS(mm, start, end, tables),

	TP_STRUCT__entry(
		__field(struct mm_struct *, mm)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned int, tables)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->start = start;
		__entry->end = end;
		__entry->tables = tables;
	),

	TP_printk("mm=%p start=0x%lx end=0x%lx tables=%u",
		  __entry->mm, __entry->start, __entry->end, __entry->tables)
);

TRACE_EVENT(mm_pt_reclaim_full_scan,

	TP_PROTO(unsigned long full_scans),

	TP_ARGS(full_scans),

	TP_STRUCT__entry(
		__field(unsigned long, full_scans)
	),

	TP_fast_assign(
		__entry->full_scans = full_scans;
	),

	TP_printk("full_scans=%lu", __entry->full_scans)
);

#undef EM
#undef EMe
#endif /* _TRACE_PT_RECLAIM_H */

#include <trace/define_trace.h>
