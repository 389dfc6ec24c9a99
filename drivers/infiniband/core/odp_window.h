/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_WINDOW_H
#define ODP_WINDOW_H

#include <linux/rcupdate.h>

#include "odp_leaf.h"
#include "odp_mirror.h"

/* The index in mirror->windows of the window of @addr. */
static inline unsigned long odp_window_index(const struct odp_mirror *mirror,
					     unsigned long addr)
{
	return (addr - mirror->origin) >> ODP_WINDOW_SHIFT;
}

/* The slot of mirror->near that the window of @addr may be in. */
static inline struct odp_window __rcu **
odp_window_slot(struct odp_mirror *mirror, unsigned long addr)
{
	return &mirror->near[addr >> ODP_WINDOW_SHIFT &
			     (ODP_NEAR_WINDOWS - 1)];
}

/*
 * The window that holds @addr, or NULL. Caller: is in an RCU read section, or
 * holds windows_lock.
 */
static inline struct odp_window *odp_window_find(struct odp_mirror *mirror,
						 unsigned long addr)
{
	struct odp_window *window =
		rcu_dereference_check(*odp_window_slot(mirror, addr),
				      lockdep_is_held(&mirror->windows_lock));

	if (window && window->base == ALIGN_DOWN(addr, ODP_WINDOW_SIZE))
		return window;
	return xa_load(&mirror->windows, odp_window_index(mirror, addr));
}

struct odp_window *odp_window_alloc(struct odp_mirror *mirror,
				    unsigned long addr, gfp_t gfp);
struct odp_window *odp_window_try_get(struct odp_mirror *mirror,
				      unsigned long addr);
struct odp_window *odp_window_add(struct odp_window *fresh,
				  unsigned long addr);
void odp_window_put(struct odp_window *window);
void odp_window_remove(struct odp_window *window);
void odp_window_drain(struct odp_window *window, unsigned long first,
		      unsigned long last);
int odp_window_module_init(void);
void odp_window_module_exit(void);

#endif /* ODP_WINDOW_H */
