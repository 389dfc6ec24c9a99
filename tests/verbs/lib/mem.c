// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/test.h"

struct mapping {
	void *p;
	size_t len;
	int fd;
};

static int unmap(void *object)
{
	struct mapping *mapping = object;

	if (mapping->fd >= 0)
		close(mapping->fd);
	return munmap(mapping->p, mapping->len);
}

static void *map(size_t len, int flags, int fd)
{
	struct mapping *mapping = scratch(sizeof(*mapping));

	*mapping = (struct mapping){ .len = len, .fd = fd };
	mapping->p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (mapping->p == MAP_FAILED)
		return NULL;
	defer(unmap, mapping);
	return mapping->p;
}

static void *must_map(size_t len, int flags, int fd)
{
	void *p = map(len, flags, fd);

	if (!p)
		fail_msg("mmap of %zu bytes: %s", len, strerror(errno));
	return p;
}

void *map_anon(size_t len)
{
	return must_map(len, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

void *map_shared(size_t len)
{
	return must_map(len, MAP_SHARED | MAP_ANONYMOUS, -1);
}

void *map_reserved(size_t len)
{
	return map(len, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

void *map_file(int fd, size_t len)
{
	assert_true(fd >= 0);
	return must_map(len, MAP_SHARED, fd);
}

void *map_file_copy(int fd, size_t len)
{
	assert_true(fd >= 0);
	return must_map(len, MAP_PRIVATE, fd);
}

void *map_memfd(size_t len, int *fd)
{
	*fd = memfd_create("verbs", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(ftruncate(*fd, len), 0);
	return map_file(*fd, len);
}

struct ibv_mr *reg(struct ibv_pd *pd, void *p, size_t len, int access)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, p, len, access);

	if (!mr)
		fail_msg("ibv_reg_mr of %zu bytes, access %#x: %s", len, access, strerror(errno));
	defer((undo_fn)ibv_dereg_mr, mr);
	return mr;
}

struct buf buf_anon(struct ibv_pd *pd, size_t len, int access)
{
	void *p = map_anon(len);

	return (struct buf){ .p = p, .len = len, .fd = -1, .mr = reg(pd, p, len, access) };
}

struct buf buf_memfd(struct ibv_pd *pd, size_t len, int access)
{
	struct buf buf = { .len = len };

	buf.p = map_memfd(len, &buf.fd);
	buf.mr = reg(pd, buf.p, len, access);
	return buf;
}

void buf_dontneed(struct buf *buf)
{
	assert_int_equal(madvise(buf->p, buf->len, MADV_DONTNEED), 0);
}

void buf_remap(struct buf *buf)
{
	int flags = MAP_FIXED | (buf->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

	assert_int_equal(munmap(buf->p, buf->len), 0);
	assert_ptr_equal(mmap(buf->p, buf->len, PROT_READ | PROT_WRITE, flags, buf->fd, 0), buf->p);
}

struct ibv_sge sge(const struct buf *buf, size_t offset, size_t len)
{
	return (struct ibv_sge){
		.addr = (uintptr_t)buf->p + offset,
		.length = len,
		.lkey = buf->mr->lkey,
	};
}
