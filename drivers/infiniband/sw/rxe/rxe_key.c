// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The table of keys
 *
 * A key names a memory region or a memory window. It is an index into the
 * device's table, with a variant in its low byte, so an old key does not name
 * the next owner of its index. The data path looks up keys under RCU and takes
 * no reference.
 */
#include <linux/random.h>

#include "rxe_key.h"
#include "rxe_mr.h"

#define RXE_MAX_KEY_INDEX	0xffffff

/*
 * Returns a random index, if possible one that rxe_table_near() finds. (That
 * costs up to 6 of the 32 bits that an attacker has to guess.)
 */
static u32 rxe_key_draw(struct rxe_dev *rxe)
{
	u32 index = get_random_u32_inclusive(RXE_TABLE_NEAR, RXE_MAX_KEY_INDEX);
	u32 i;

	for (i = 0; i < RXE_TABLE_NEAR; i++)
		if (!rcu_access_pointer(rxe->keys.near[(index ^ i) %
						       RXE_TABLE_NEAR]))
			return index ^ i;
	return index;
}

/**
 * rxe_key_reserve() - choose a key
 * @rxe: the device
 * @key: receives the key, which is not found before rxe_key_publish()
 * @type: type of the object in which @key is embedded
 * @secret: peers can use the key, so nobody may be able to guess it from others
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int rxe_key_reserve(struct rxe_dev *rxe, struct rxe_key *key,
		    enum rxe_key_type type, bool secret)
{
	u32 anywhere = secret ? rxe_key_draw(rxe) : 0;
	u32 index;
	int ret;

	ret = xa_alloc_cyclic(&rxe->keys.all, &index, NULL,
			      XA_LIMIT(1, RXE_MAX_KEY_INDEX),
			      secret ? &anywhere : &rxe->next_key,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		return -ENOMEM;
	key->type = type;
	key->value = index << 8 | get_random_u8();
	return 0;
}

/**
 * rxe_key_publish() - let lookups find a key
 * @rxe: the device
 * @key: the key, reserved; the object in which it is embedded is complete
 *
 * Context: process context.
 */
void rxe_key_publish(struct rxe_dev *rxe, struct rxe_key *key)
{
	rxe_table_publish(&rxe->keys, key->value >> 8, key);
}

/**
 * rxe_key_erase() - let lookups not find a key any more
 * @rxe: the device
 * @key: the key
 *
 * Code that has found the key may use it until its RCU read section ends.
 *
 * Context: process context.
 */
void rxe_key_erase(struct rxe_dev *rxe, struct rxe_key *key)
{
	rxe_table_erase(&rxe->keys, key->value >> 8, key);
}

/**
 * rxe_key_assign() - choose and publish the key of a region
 * @mr: the region, complete except for its key
 * @type: type of the key
 * @secret: nobody may be able to guess the key from others
 *
 * Context: process context.
 * Return: 0 or -ENOMEM.
 */
int rxe_key_assign(struct rxe_mr *mr, enum rxe_key_type type, bool secret)
{
	struct rxe_dev *rxe = to_rxe(mr->ib.device);
	int ret;

	ret = rxe_key_reserve(rxe, &mr->key, type, secret);
	if (ret)
		return ret;
	mr->ib.lkey = mr->key.value;
	mr->ib.rkey = mr->key.value;
	rxe_key_publish(rxe, &mr->key);
	return 0;
}
