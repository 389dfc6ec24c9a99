// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Memory of packets
 *
 * A packet of 4 KiB and its headers is a little more than a page, for which slab has
 * nothing that is quick. So packets are cut out of larger pages, each processor's own;
 * the last packet that goes takes the page with it.
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

/**
 * struct rxe_skb_page - what packets are being cut out of
 * @page: the page, with a reference; NULL: none
 * @used: bytes
 *
 * Touched by its processor only, with bottom halves off.
 */
struct rxe_skb_page {
	struct page *page;
	unsigned int used;
};

static DEFINE_PER_CPU(struct rxe_skb_page, rxe_skb_page);

static void rxe_skb_page_renew(struct rxe_skb_page *from)
{
	if (from->page)
		put_page(from->page);
	from->page = alloc_pages(GFP_ATOMIC | __GFP_COMP | __GFP_NOWARN |
					 __GFP_NORETRY | __GFP_NOMEMALLOC,
				 RXE_SKB_PAGE_ORDER);
	from->used = 0;
}

/* With a reference to the page, or NULL. */
static void *rxe_skb_cut(unsigned int size)
{
	struct rxe_skb_page *from = this_cpu_ptr(&rxe_skb_page);
	void *p;

	if (!from->page || from->used + size > RXE_SKB_PAGE_SIZE)
		rxe_skb_page_renew(from);
	if (!from->page)
		return NULL;
	get_page(from->page);
	p = page_address(from->page) + from->used;
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
	int cpu;

	for_each_possible_cpu(cpu) {
		struct page *page = per_cpu(rxe_skb_page, cpu).page;

		if (page)
			put_page(page);
	}
}
