/* SPDX-License-Identifier: GPL-2.0 */
/* Page faults that a thread of the test answers, or that nobody answers. */
#ifndef VERBS_UFFD_H
#define VERBS_UFFD_H

#include <stddef.h>
#include <stdint.h>
#include <linux/userfaultfd.h>

/* Kinds of faults: the page is missing; it is present but not mapped; it is write-protected. */
enum uffd_kind {
	UFFD_MISSING = UFFDIO_REGISTER_MODE_MISSING,
	UFFD_WP = UFFDIO_REGISTER_MODE_WP,
	UFFD_MINOR = UFFDIO_REGISTER_MODE_MINOR,
};

/*
 * Opens a userfaultfd; its faults wait for an answer. Closed at the end of the test. Skips the test if the
 * kernel does not know the kind.
 */
int uffd_open(enum uffd_kind kind);
/* Skips the test if the kernel does not know the kind; for a test that opens it in a child process. */
void need_uffd(enum uffd_kind kind);
void uffd_watch(int fd, enum uffd_kind kind, void *p, size_t len);

/* Waits for a fault, at most PATIENCE, and returns its address. */
uint64_t uffd_wait(int fd);

/* Makes all of [p, p + len) present: missing pages with the bytes at @content, or zeroed if NULL. */
void uffd_answer(int fd, enum uffd_kind kind, void *p, size_t len, const void *content);

#endif
