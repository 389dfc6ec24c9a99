// SPDX-License-Identifier: GPL-2.0
/* Each kind of memory, and how to make it cold. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

const char *const memory_names[] = {
	[MEMORY_ANON] = "anon", [MEMORY_HELD] = "held", [MEMORY_THP] = "thp",
	[MEMORY_SHARED] = "shared", [MEMORY_FILE] = "file", [MEMORY_DISK] = "disk",
	[MEMORY_SWAP] = "swap",
};

/* Anonymous memory, aligned for huge pages. */
static uint8_t *map_anon(size_t len)
{
	uint8_t *room = mmap(NULL, len + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1, 0);
	uint8_t *p;

	if (room == MAP_FAILED)
		die(errno, "cannot reserve addresses for %zu MiB", len / MIB);
	p = (uint8_t *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	if (p > room)
		munmap(room, p - room);
	munmap(p + len, room + HUGE - p);
	if (mprotect(p, len, PROT_READ | PROT_WRITE))
		die(errno, "cannot map %zu MiB of memory", len / MIB);
	return p;
}

static int open_file(enum memory_kind kind, size_t len)
{
	char path[256];
	int fd;

	if (kind == MEMORY_SHARED) {
		fd = memfd_create("odp-bench", MFD_CLOEXEC);
	} else {
		snprintf(path, sizeof(path), "%s/odp-bench.XXXXXX", options.dir);
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0 || ftruncate(fd, len))
		die(errno, "cannot make a file of %zu MiB in %s", len / MIB, options.dir);
	return fd;
}

static bool has_huge_pages(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK);
}

/* Writes data, so that a later read must go to the disk: a hole would not. */
static void fill(struct memory *memory)
{
	memset(memory->p, 1, memory->len);
}

bool memory_map(struct memory *memory, enum memory_kind kind, size_t len)
{
	*memory = (struct memory){ .len = len, .fd = -1 };
	if (kind == MEMORY_THP && !has_huge_pages())
		return false;
	if (kind == MEMORY_SHARED || kind == MEMORY_FILE || kind == MEMORY_DISK) {
		memory->fd = open_file(kind, len);
		memory->p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
		if (memory->p == MAP_FAILED)
			die(errno, "cannot map a file of %zu MiB", len / MIB);
	} else {
		memory->p = map_anon(len);
		madvise(memory->p, len, kind == MEMORY_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	}
	if (kind == MEMORY_FILE || kind == MEMORY_DISK || kind == MEMORY_SWAP) {
		fill(memory);
		if (!memory_chill(memory, kind)) {
			memory_unmap(memory);
			return false;
		}
	}
	return true;
}

static size_t resident(const struct memory *memory)
{
	size_t n = memory->len / PAGE, there = 0;
	unsigned char *map = malloc(n);

	if (!map || mincore(memory->p, memory->len, map))
		die(errno, "cannot count resident pages");
	for (size_t i = 0; i < n; i++)
		there += map[i] & 1;
	free(map);
	return there;
}

bool memory_chill(struct memory *memory, enum memory_kind kind)
{
	bool gone = kind == MEMORY_DISK || kind == MEMORY_SWAP;

	switch (kind) {
	case MEMORY_HELD:
		break;
	case MEMORY_SWAP:
		madvise(memory->p, memory->len, MADV_PAGEOUT);
		break;
	case MEMORY_SHARED:
		madvise(memory->p, memory->len, MADV_REMOVE);
		break;
	case MEMORY_DISK:
		madvise(memory->p, memory->len, MADV_DONTNEED);
		fsync(memory->fd);
		posix_fadvise(memory->fd, 0, 0, POSIX_FADV_DONTNEED);
		break;
	default:
		madvise(memory->p, memory->len, MADV_DONTNEED);
	}
	/* Most pages must be gone. Without swap, or with a file system in memory, they stay. */
	return !gone || resident(memory) < memory->len / PAGE / 4;
}

void memory_register(struct memory *memory, struct ibv_pd *pd, bool odp)
{
	int access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
		     IBV_ACCESS_REMOTE_ATOMIC | (odp ? IBV_ACCESS_ON_DEMAND : 0);

	memory->mr = ibv_reg_mr(pd, memory->p, memory->len, access);
	if (!memory->mr)
		die(errno, "cannot register %zu KiB %s", memory->len / KIB, odp ? "on demand" : "pinned");
}

void memory_deregister(struct memory *memory)
{
	if (memory->mr && ibv_dereg_mr(memory->mr))
		die(errno, "cannot deregister a region");
	memory->mr = NULL;
}

void memory_unmap(struct memory *memory)
{
	memory_deregister(memory);
	munmap(memory->p, memory->len);
	if (memory->fd >= 0)
		close(memory->fd);
}

void memory_touched(struct memory *memory, size_t len)
{
	memory_map(memory, MEMORY_ANON, len);
	fill(memory);
}

void memory_warm(struct memory *memory, struct ibv_pd *pd, size_t len, bool odp)
{
	memory_touched(memory, len);
	memory_register(memory, pd, odp);
}
