/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests need from the system: swap, a file system, huge pages, the CPU's mappings. */
#ifndef KIT_SYS_H
#define KIT_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each sets up what is missing, until the program ends, or skips the test. */
void need_swap(void);
const char *need_ext4(void);
void need_hugetlb(unsigned int pages);

/* Moves the test into its own memory cgroup until the test ends. */
#define CGROUP "/sys/fs/cgroup/odp_test"
void cgroup_enter(void);

/* Writes @text to a file of /proc or /sys; returns 0 or -errno. */
int file_put(const char *path, const char *text);
/* Returns a number from such a file, behind @key if not NULL; -1 if there is none. */
int64_t file_number(const char *path, const char *key);

/* An open file without a name; closed at the end of the test. */
int file_unnamed(const char *dir, size_t length);
int memfd_make(size_t length);

/* An entry of /proc/self/pagemap, and its bits. */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_SOFT_DIRTY (1ull << 55)
#define PAGEMAP_PFN ((1ull << 55) - 1)
uint64_t pagemap(const void *at);
size_t pages_with(const void *at, size_t pages, uint64_t bits);

/* Returns how many bytes of the mapping at @at the CPU maps with huge entries. */
size_t huge_bytes(const void *at);

#endif
