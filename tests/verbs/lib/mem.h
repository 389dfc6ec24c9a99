/* SPDX-License-Identifier: GPL-2.0 */
/* Memory, and regions over it. */
#ifndef VERBS_MEM_H
#define VERBS_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <infiniband/verbs.h>

#define PAGE 4096ul
#define MIB (1024ul * 1024)

/* Mapped memory with a region over all of it. */
struct buf {
	uint8_t *p;
	size_t len;
	int fd;		/* the mapped file; -1: anonymous */
	struct ibv_mr *mr;
};

/* Anonymous private memory. */
void *map_anon(size_t len);
/* Reserves addresses that use no memory until touched; returns NULL if a program cannot have so many. */
void *map_reserved(size_t len);
/* Memory shared with child processes, zeroed. */
void *map_shared(size_t len);
/* Makes a file in memory of @len bytes, and a shared mapping of it. */
void *map_memfd(size_t len, int *fd);

/* A shared mapping of @fd; unmapping it closes @fd. */
void *map_file(int fd, size_t len);
/* Like map_file(), but private: writes do not reach the file. */
void *map_file_copy(int fd, size_t len);

/* A region, deregistered at the end of the test. */
struct ibv_mr *reg(struct ibv_pd *pd, void *p, size_t len, int access);

/* Page-aligned memory with a region of @access. */
struct buf buf_anon(struct ibv_pd *pd, size_t len, int access);
struct buf buf_memfd(struct ibv_pd *pd, size_t len, int access);

/* Removes the page table entries; shared memory keeps its bytes, private memory becomes zero. */
void buf_dontneed(struct buf *buf);
/* Unmaps the memory and maps the same memory again at the same address. */
void buf_remap(struct buf *buf);

struct ibv_sge sge(const struct buf *buf, size_t offset, size_t len);

#endif
