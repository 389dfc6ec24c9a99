// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Memory of packets
 *
 * A packet of 4 KiB and its headers is a little more than a page, for which slab has
 * nothing that is quick. So packets are cut out of larger pages, of which each processor
 * has some in turn: when all packets of one are gone it is cut anew, still warm. One that
 * is still in use goes with the last of its packets, and another takes its place.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/sizes.h>

#include "rxe_wire.h"

#define RXE_SKB_PAGE_ORDER	get_order(SZ_32K)
#define RXE_SKB_PAGE_SIZE	(PAGE_SIZE << RXE_SKB_PAGE_ORDER)

/* Kernels that watch the slab, or have it fail, are to see each packet there. */
#define RXE_SKB_FROM_SLAB \
	(IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_FAILSLAB))

/* As many as the packets of a task's turn take, which all leave before any is freed. */
#define RXE_SKB_PAGES		16

/**
 * struct rxe_skb_pages - what packets are being cut out of
 * @page: the pages, each with a reference; NULL: none
 * @now: which of them
 * @used: bytes of it
 *
 * Touched by its processor only, with bottom halves off.
 */
struct rxe_skb_pages {
	struct page *page[RXE_SKB_PAGES];
	unsigned int now;
	unsigned int used;
};

static DEFINE_PER_CPU(struct rxe_skb_pages, rxe_skb_pages);

static struct page *rxe_skb_page_renew(struct page *page)
{
	/* Nobody but us has it, so nobody can get it. */
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

/* With a reference to the page, or NULL. */
static void *rxe_skb_cut(unsigned int size)
{
	struct rxe_skb_pages *from = this_cpu_ptr(&rxe_skb_pages);
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
	void *data = rxe_skb_cut(size);
	struct sk_buff *skb;

	if (!data)
		return NULL;
	skb = napi_build_skb(data, size);
	if (!skb)
		put_page(virt_to_head_page(data));
	return skb;
}

/**
 * rxe_skb_alloc() - memory for a packet
 * @len: bytes, all of them behind skb->data
 *
 * Context: bottom halves off.
 * Return: the packet, empty, or NULL.
 */
struct sk_buff *rxe_skb_alloc(unsigned int len)
{
	struct sk_buff *skb = NULL;

	if (!RXE_SKB_FROM_SLAB)
		skb = rxe_skb_build(len);
	return skb ?: alloc_skb(len, GFP_ATOMIC);
}

/**
 * rxe_skb_free() - a packet has been dealt with
 * @skb: the packet, ours or one that has come in
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

/* Context: there are no packets any more. */
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
