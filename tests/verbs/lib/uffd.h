/* SPDX-License-Identifier: GPL-2.0 */
/* Page faults that a thread of the test answers, or nobody. */
#ifndef VERBS_UFFD_H
#define VERBS_UFFD_H

#include <stddef.h>
#include <stdint.h>
#include <linux/userfaultfd.h>

/* Kinds of faults: the page is missing; it is there but not mapped; it may not be written. */
enum uffd_kind {
	UFFD_MISSING = UFFDIO_REGISTER_MODE_MISSING,
	UFFD_WP = UFFDIO_REGISTER_MODE_WP,
	UFFD_MINOR = UFFDIO_REGISTER_MODE_MINOR,
};

/*
 * Its faults wait for an answer; it is closed at the end of the test. Skips the test where the
 * kernel does not know the kind.
 */
int uffd_open(enum uffd_kind kind);
/* Skips the test there, for one that opens it in a child process. */
void need_uffd(enum uffd_kind kind);
void uffd_watch(int fd, enum uffd_kind kind, void *p, size_t len);

/* The address of a fault that waits, at most PATIENCE. */
uint64_t uffd_wait(int fd);

/*
 * Lets all of [p, p + len) be there: of missing pages with the bytes at @content, or with zeroes
 * without.
 */
void uffd_answer(int fd, enum uffd_kind kind, void *p, size_t len, const void *content);

#endif
