/* SPDX-License-Identifier: GPL-2.0 */
/* A file system that stops answering. */
#ifndef VERBS_FROZEN_H
#define VERBS_FROZEN_H

#include <stddef.h>

/* A shared mapping of @len bytes of a new file on ext4; skips the test where the kernel has none. */
void *ext4_map(const char *name, size_t len);
/*
 * A write to a page of that file system then waits, uninterruptibly, until ext4_thaw() or the end of the
 * test.
 */
void ext4_freeze(void);
void ext4_thaw(void);

#endif
