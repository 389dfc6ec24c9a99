// SPDX-License-Identifier: GPL-2.0
/* 6.6: the bits of an inet socket became flags. */
#include <net/inet_sock.h>
void test(struct sock *sk);
void test(struct sock *sk)
{
	inet_set_bit(MC_LOOP, sk);
}
