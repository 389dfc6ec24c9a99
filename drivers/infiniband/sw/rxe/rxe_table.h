/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tables of objects by number, for the data path. Numbers are allocated
 * cyclically, so they become large, and an xarray needs several steps to look
 * one up. The first objects of a device tend to live longest; these are found
 * in one step by the array rxe_table.near.
 */
#ifndef RXE_TABLE_H
#define RXE_TABLE_H

#include <linux/rcupdate.h>
#include <linux/xarray.h>

#define RXE_TABLE_NEAR 64

/**
 * struct rxe_table - objects by number
 * @all: all objects, and reserved numbers; users of the table reserve numbers
 *	here themselves
 * @near: some of the objects, by the low bits of their numbers; each is also in
 *	@all, or about to be removed from @near
 */
struct rxe_table {
	struct xarray all;
	void __rcu *near[RXE_TABLE_NEAR];
};

/**
 * rxe_table_init() - create an empty table
 * @table: the table
 *
 * Context: any.
 */
static inline void rxe_table_init(struct rxe_table *table)
{
	xa_init_flags(&table->all, XA_FLAGS_ALLOC);
}

/**
 * rxe_table_destroy() - free a table
 * @table: the table; it contains no objects any more
 *
 * Context: process context.
 */
static inline void rxe_table_destroy(struct rxe_table *table)
{
	xa_destroy(&table->all);
}

/**
 * rxe_table_near() - look up a number in one step
 * @table: the table
 * @number: the number
 *
 * The caller must compare the object's number, and if it differs look in
 * @table->all.
 *
 * Context: RCU read section. Pairs with the full barrier of cmpxchg() in
 * rxe_table_publish(): the object is complete.
 * Return: an object of the table, which may have another number, or NULL.
 */
static inline void *rxe_table_near(const struct rxe_table *table, u32 number)
{
	return rcu_dereference(table->near[number % RXE_TABLE_NEAR]);
}

/**
 * rxe_table_publish() - make an object visible to lookups
 * @table: the table
 * @number: the object's number; it is reserved, so this does not allocate
 *	memory
 * @object: the object; completely initialized
 *
 * Context: process context.
 */
static inline void rxe_table_publish(struct rxe_table *table, u32 number,
				     void *object)
{
	xa_store(&table->all, number, object, GFP_KERNEL);
	/* A full barrier; pairs with rcu_dereference() in rxe_table_near(). */
	cmpxchg(&table->near[number % RXE_TABLE_NEAR], NULL,
		RCU_INITIALIZER(object));
}

/**
 * rxe_table_erase() - remove an object from the table
 * @table: the table
 * @number: the object's number; reserved or published
 * @object: the object
 *
 * Readers that have found the object may use it until their RCU read section
 * ends. So the caller frees it after a grace period.
 *
 * Context: process context.
 */
static inline void rxe_table_erase(struct rxe_table *table, u32 number,
				   void *object)
{
	cmpxchg(&table->near[number % RXE_TABLE_NEAR], RCU_INITIALIZER(object),
		NULL);
	xa_erase(&table->all, number);
}

#endif /* RXE_TABLE_H */
