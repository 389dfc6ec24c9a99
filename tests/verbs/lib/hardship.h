/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory whose pages are late, or go again: a user-space pager's, that of a file on a file system which freezes
 * and thaws, that of a process in a full control group.
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
 * Has it begin, until the end of the test; skips the test where the kernel does not have what it takes. @name: of
 * the control group, which has @max bytes.
 */
struct hardship *hardship_begin(enum hardship_kind kind, const char *name, size_t max);
/*
 * @len bytes of such memory, in the process that is to suffer. @number tells those apart that live at once; of
 * @dice it is what the pager does: it never answers, it is slow, it keeps few pages.
 */
void *hardship_map(const struct hardship *hardship, size_t len, unsigned int number, uint64_t dice);
/* The calling process has got all else that it needs. */
void hardship_enter(const struct hardship *hardship);
/* Says how often it was felt, which must have been once at least; nobody sees how often a pager was. */
void hardship_tell(const struct hardship *hardship);

#endif
