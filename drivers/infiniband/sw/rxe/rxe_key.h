/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_key.c: the table of keys */
#ifndef RXE_KEY_H
#define RXE_KEY_H

#include "rxe.h"

struct rxe_mr;

enum rxe_key_type {
	RXE_KEY_MR,
	RXE_KEY_MW,
	RXE_KEY_FREE_MR,	/* a region of the kernel, not registered now */
};

/**
 * struct rxe_key - an lkey or rkey
 * @type: type of the object in which the key is embedded; constant, except for
 *	the kernel's regions, where frwr->lock protects it and @value
 * @value: the key in the form that users have: index << 8 | variant
 */
struct rxe_key {
	enum rxe_key_type type;
	u32 value;
};

int rxe_key_reserve(struct rxe_dev *rxe, struct rxe_key *key,
		    enum rxe_key_type type, bool secret);
void rxe_key_publish(struct rxe_dev *rxe, struct rxe_key *key);
void rxe_key_erase(struct rxe_dev *rxe, struct rxe_key *key);
int rxe_key_assign(struct rxe_mr *mr, enum rxe_key_type type, bool secret);

static inline bool rxe_key_is(const struct rxe_key *key, u32 value,
			      enum rxe_key_type type)
{
	/* Pairs with the release in rxe_frwr_set(): the region is complete. */
	return key && smp_load_acquire(&key->type) == type &&
	       READ_ONCE(key->value) == value;
}

/**
 * rxe_key_find() - look up a key
 * @rxe: the device
 * @value: the key in the form that users have
 * @type: type of the object in which the key must be embedded
 *
 * Context: RCU read section.
 * Return: the key or NULL.
 */
static inline struct rxe_key *rxe_key_find(struct rxe_dev *rxe, u32 value,
					   enum rxe_key_type type)
{
	struct rxe_key *key = rxe_table_near(&rxe->keys, value >> 8);

	if (!rxe_key_is(key, value, type))
		key = xa_load(&rxe->keys.all, value >> 8);
	return rxe_key_is(key, value, type) ? key : NULL;
}

#endif /* RXE_KEY_H */
