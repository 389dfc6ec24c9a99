/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Objects by number, for the data path. Numbers are given out one after the other, so
 * that those of a device in use are large and an xarray takes steps to find them.
 * Those that came first, which stay longest, are also found in one.
 */
#ifndef RXE_TABLE_H
#define RXE_TABLE_H

#include <linux/rcupdate.h>
#include <linux/xarray.h>

#define RXE_TABLE_NEAR 64

/**
 * struct rxe_table - objects by number
 * @all: all of them, and numbers that are reserved; the users' own to reserve in
 * @near: some of them, by the low bits of their numbers; each is in @all, too,
 *	or is about to go from here
 */
struct rxe_table {
	struct xarray all;
	void __rcu *near[RXE_TABLE_NEAR];
};

static inline void rxe_table_init(struct rxe_table *table)
{
	xa_init_flags(&table->all, XA_FLAGS_ALLOC);
}

static inline void rxe_table_destroy(struct rxe_table *table)
{
	xa_destroy(&table->all);
}

/**
 * rxe_table_near() - guess what has a number
 * @table: the table
 * @number: the number
 *
 * Context: RCU read section.
 * Return: an object in the table, which may have another number, or NULL.
 */
static inline void *rxe_table_near(const struct rxe_table *table, u32 number)
{
	return rcu_dereference(table->near[number % RXE_TABLE_NEAR]);
}

/**
 * rxe_table_publish() - let an object be found
 * @table: the table
 * @number: its number, reserved, so that this does not allocate
 * @object: complete
 *
 * Context: process context.
 */
static inline void rxe_table_publish(struct rxe_table *table, u32 number, void *object)
{
	xa_store(&table->all, number, object, GFP_KERNEL);
	cmpxchg(&table->near[number % RXE_TABLE_NEAR], NULL, RCU_INITIALIZER(object));
}

/**
 * rxe_table_erase() - let an object not be found any more
 * @table: the table
 * @number: its number, reserved or published
 * @object: the object; who has found it may use it until its read section ends
 *
 * Context: process context.
 */
static inline void rxe_table_erase(struct rxe_table *table, u32 number, void *object)
{
	cmpxchg(&table->near[number % RXE_TABLE_NEAR], RCU_INITIALIZER(object), NULL);
	xa_erase(&table->all, number);
}

#endif /* RXE_TABLE_H */
