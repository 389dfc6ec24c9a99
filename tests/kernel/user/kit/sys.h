/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests want of the system: swap, a file system, huge pages, what the CPU maps. */
#ifndef KIT_SYS_H
#define KIT_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each sets up what is not there yet and leaves it until the program ends, or skips. */
void need_swap(void);
const char *need_ext4(void);
void need_hugetlb(unsigned int pages);

/* Moves the test into a memory cgroup of its own, until it ends. */
#define CGROUP "/sys/fs/cgroup/odp_test"
void cgroup_enter(void);

/* Writes @text to a file of /proc or /sys; 0 or -errno. */
int file_put(const char *path, const char *text);
/* A number from such a file, after @key if there is one; -1 where there is none. */
int64_t file_number(const char *path, const char *key);

/* An open file that no name leads to; closed at the end of the test. */
int file_unnamed(const char *dir, size_t length);
int memfd_make(size_t length);

/* An entry of /proc/self/pagemap. */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_SOFT_DIRTY (1ull << 55)
#define PAGEMAP_PFN ((1ull << 55) - 1)
uint64_t pagemap(const void *at);
size_t pages_with(const void *at, size_t pages, uint64_t bits);

/* Bytes of the mapping at @at that the CPU maps with huge entries. */
size_t huge_bytes(const void *at);

#endif
