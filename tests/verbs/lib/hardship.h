/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory whose pages arrive late or disappear again: memory of a user-space pager, a file on a file system
 * that freezes and thaws, memory of a process in a full control group.
 */
#ifndef VERBS_HARDSHIP_H
#define VERBS_HARDSHIP_H

#include <stddef.h>
#include <stdint.h>

enum hardship_kind { HARD_NOT, HARD_PAGED, HARD_FROZEN, HARD_FULL, HARDSHIPS };

extern const char *const hardship_names[HARDSHIPS];

struct hardship {
	enum hardship_kind kind;
	struct cgroup *cgroup;
	struct weather *weather;
};

/*
 * Starts the hardship, until the end of the test; skips the test if the kernel lacks what it needs. @name and
 * @max are the name and the memory limit of the control group.
 */
struct hardship *hardship_begin(enum hardship_kind kind, const char *name, size_t max);
/*
 * Maps @len bytes of such memory, in the process that is to suffer. @number distinguishes mappings that exist
 * at the same time. @dice chooses the pager's behavior: it never answers, it is slow, or it keeps few pages.
 */
void *hardship_map(const struct hardship *hardship, size_t len, unsigned int number, uint64_t dice);
/* The calling process has allocated everything else that it needs. */
void hardship_enter(const struct hardship *hardship);
/* Prints how often the hardship was felt, which must be at least once; a pager's effect cannot be counted. */
void hardship_tell(const struct hardship *hardship);

#endif
