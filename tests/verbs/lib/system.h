/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests ask of the system around them. */
#ifndef VERBS_SYSTEM_H
#define VERBS_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

/* 0, or an errno. */
int write_file(const char *path, const char *text);
/* The first number behind @label in a file such as /proc/self/status; -1 without one. */
long file_number(const char *path, const char *label);
/* Is there a function of that name in the kernel? */
bool kernel_has(const char *function);
bool kernel_at_least(int major, int minor);

/* A swap device in memory; skips the test where the kernel cannot. */
void need_swap(void);
/* The path of an ext4 file system on a loop device; skips the test where the kernel cannot. */
const char *need_ext4(void);
/* @n huge pages of 2 MiB in the pool; skips the test where the kernel cannot. */
void need_huge_pages(int n);

/* How many of the pages the kernel holds in memory. */
size_t resident_pages(void *p, size_t len);
/* /proc/self/pagemap's word about the page at @p. */
unsigned long long pagemap(void *p);
#define PAGEMAP_SOFT_DIRTY (1ull << 55)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_PRESENT (1ull << 63)

#endif
