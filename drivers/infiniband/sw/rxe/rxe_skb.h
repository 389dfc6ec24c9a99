/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_skb.c: memory of packets */
#ifndef RXE_SKB_H
#define RXE_SKB_H

#include <linux/skbuff.h>

struct sk_buff *rxe_skb_alloc(unsigned int len);
void rxe_skb_free(struct sk_buff *skb);
void rxe_skb_module_exit(void);

#endif /* RXE_SKB_H */
