/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests need from the system around them. */
#ifndef VERBS_SYSTEM_H
#define VERBS_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

/* Returns 0 or an errno. */
int write_file(const char *path, const char *text);
/* Returns the first number behind @label in a file such as /proc/self/status, or -1. */
long file_number(const char *path, const char *label);
/* Returns whether the kernel has a function of that name. */
bool kernel_has(const char *function);
bool kernel_at_least(int major, int minor);

/* Sets up a swap device in memory; skips the test if the kernel cannot. */
void need_swap(void);
/* Returns the path of the test's ext4 file system on a loop device; skips the test if the kernel cannot. */
const char *need_ext4(void);
/* Returns a descriptor of an empty file of that name there. */
int ext4_open(const char *name);
/* Sets the pool to @n huge pages of 2 MiB; skips the test if the kernel cannot. */
void need_huge_pages(int n);

/* Returns how many of the pages the kernel holds in memory. */
size_t resident_pages(void *p, size_t len);
/* Returns the entry of the page at @p in /proc/self/pagemap. */
unsigned long long pagemap(void *p);
#define PAGEMAP_SOFT_DIRTY (1ull << 55)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_PRESENT (1ull << 63)

#endif
