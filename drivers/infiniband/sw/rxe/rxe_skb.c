// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Memory of packets
 *
 * A packet of 4 KiB with its headers is slightly larger than a page, and slab
 * has no fast cache for that size. So packets are cut out of larger pages. Each
 * CPU has a set of such pages and uses one after the other. When all packets of
 * a page have been freed, the page is cut again, while it is still in the CPU's
 * cache. A page of which packets are still in use is replaced; it is freed with
 * its last packet.
 */
#include <linux/gfp.h>
#include <linux/local_lock.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/sizes.h>

#include "rxe_skb.h"

#define RXE_SKB_PAGE_ORDER	get_order(SZ_32K)
#define RXE_SKB_PAGE_SIZE	(PAGE_SIZE << RXE_SKB_PAGE_ORDER)

/*
 * In kernels with KASAN or fault injection each packet is a slab object, so
 * that these tools work for packets.
 */
#define RXE_SKB_FROM_SLAB \
	(IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_FAILSLAB))

/*
 * The pages of a CPU. The packets of one turn of a task fit: all of them are
 * sent before any is freed.
 */
#define RXE_SKB_PAGES		16

/**
 * struct rxe_skb_pages - the pages that a CPU cuts packets out of
 * @page: the pages, each with a reference; NULL: no page
 * @now: index of the current page in @page
 * @used: bytes of the current page that have been used
 * @lock: with PREEMPT_RT, keeps out the CPU's other threads; nothing otherwise
 *
 * Accessed by its CPU only, with bottom halves off and @lock held.
 */
struct rxe_skb_pages {
	struct page *page[RXE_SKB_PAGES];
	unsigned int now;
	unsigned int used;
	local_lock_t lock;
};

static DEFINE_PER_CPU(struct rxe_skb_pages, rxe_skb_pages) = {
	.lock = INIT_LOCAL_LOCK(lock),
};

static struct page *rxe_skb_page_renew(struct page *page)
{
	/* The only reference is ours, so no other can appear. */
	if (page && page_count(page) == 1)
		return page;
	if (page)
		put_page(page);
	return alloc_pages(GFP_ATOMIC | __GFP_COMP | __GFP_NOWARN |
				   __GFP_NORETRY | __GFP_NOMEMALLOC,
			   RXE_SKB_PAGE_ORDER);
}

static void rxe_skb_next_page(struct rxe_skb_pages *from)
{
	from->now = (from->now + 1) % RXE_SKB_PAGES;
	from->page[from->now] = rxe_skb_page_renew(from->page[from->now]);
	from->used = 0;
}

/* Returns @size bytes with a reference to their page, or NULL. */
static void *rxe_skb_cut(struct rxe_skb_pages *from, unsigned int size)
{
	struct page *page;
	void *p;

	if (!from->page[from->now] || from->used + size > RXE_SKB_PAGE_SIZE)
		rxe_skb_next_page(from);
	page = from->page[from->now];
	if (!page)
		return NULL;
	get_page(page);
	p = page_address(page) + from->used;
	from->used += size;
	return p;
}

static struct sk_buff *rxe_skb_build(unsigned int len)
{
	unsigned int size = SKB_DATA_ALIGN(len) +
			    SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	struct sk_buff *skb;
	void *data;

	local_lock_nested_bh(&rxe_skb_pages.lock);
	data = rxe_skb_cut(this_cpu_ptr(&rxe_skb_pages), size);
	local_unlock_nested_bh(&rxe_skb_pages.lock);
	if (!data)
		return NULL;
	skb = napi_build_skb(data, size);
	if (!skb)
		put_page(virt_to_head_page(data));
	return skb;
}

/**
 * rxe_skb_alloc() - allocate a packet
 * @len: room behind skb->data in bytes
 *
 * Context: bottom halves off.
 * Return: the empty packet, or NULL.
 */
struct sk_buff *rxe_skb_alloc(unsigned int len)
{
	struct sk_buff *skb = NULL;

	if (!RXE_SKB_FROM_SLAB)
		skb = rxe_skb_build(len);
	return skb ?: alloc_skb(len, GFP_ATOMIC);
}

/**
 * rxe_skb_free() - free a packet that has been handled
 * @skb: the packet, from rxe_skb_alloc() or received from the network
 *
 * Context: bottom halves off.
 */
void rxe_skb_free(struct sk_buff *skb)
{
	if (RXE_SKB_FROM_SLAB)
		consume_skb(skb);
	else
		napi_consume_skb(skb, NAPI_POLL_WEIGHT);
}

/**
 * rxe_skb_module_exit() - free the pages of all CPUs
 *
 * Context: process context; no packets exist any more.
 */
void rxe_skb_module_exit(void)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < RXE_SKB_PAGES; i++) {
			struct page *page = per_cpu(rxe_skb_pages, cpu).page[i];

			if (page)
				put_page(page);
		}
	}
}
