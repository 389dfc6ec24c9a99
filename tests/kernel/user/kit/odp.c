// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kit/odp.h"
#include "lib/pattern.h"
#include "lib/test.h"

#define TEST_SECONDS 120

static void *fd_object(int fd)
{
	return (void *)(intptr_t)(fd + 1);
}

static int fd_close(void *object)
{
	return close((intptr_t)object - 1);
}

/* tools/vm provides the modules, and loads only those of the driver. */
static void module_load(void)
{
	if (access(ODP_TEST_DEVICE, F_OK) &&
	    system("insmod /run/vm/modules/odp_test.ko"))
		fail_msg("odp_test.ko is not loaded, and cannot be loaded from the place where tools/vm puts it");
}

int odp_open(void)
{
	int fd;

	module_load();
	fd = open(ODP_TEST_DEVICE, O_RDWR);
	if (fd < 0)
		fail_msg("%s: %s", ODP_TEST_DEVICE, strerror(errno));
	defer(fd_close, fd_object(fd));
	alarm((options.full ? 10 * TEST_SECONDS : TEST_SECONDS) * options.slow);
	return fd;
}

void odp_close(int fd)
{
	undo(fd_object(fd));
}

int region_try(struct region *r, int fd, uint64_t address, uint64_t length, unsigned int flags)
{
	struct odp_test_register args = { .address = address, .length = length, .flags = flags };

	if (ioctl(fd, ODP_TEST_REGISTER, &args))
		return -errno;
	*r = (struct region){ fd, args.handle, (char *)address, length };
	return 0;
}

void region_make(struct region *r, int fd, void *at, uint64_t length, unsigned int flags)
{
	assert_int_equal(region_try(r, fd, (uintptr_t)at, length, flags), 0);
}

void region_put(struct region *r)
{
	struct odp_test_put args = { .handle = r->handle };

	assert_int_equal(ioctl(r->fd, ODP_TEST_PUT, &args), 0);
}

static struct outcome region_copy(struct region *r, unsigned long call, uint64_t offset,
				  const void *buffer, uint64_t len, int flags)
{
	struct odp_test_copy args = {
		.handle = r->handle,
		.flags = flags,
		.offset = offset,
		.length = len,
		.buffer = (uintptr_t)buffer,
	};

	if (ioctl(r->fd, call, &args))
		fail_msg("copy of %#lx bytes at %#lx: %s", len, offset, strerror(errno));
	return (struct outcome){ .done = args.done, .error = args.error };
}

struct outcome region_read(struct region *r, uint64_t offset, void *to, uint64_t len, int flags)
{
	return region_copy(r, ODP_TEST_READ, offset, to, len, flags);
}

struct outcome region_write(struct region *r, uint64_t offset, const void *from, uint64_t len,
			    int flags)
{
	return region_copy(r, ODP_TEST_WRITE, offset, from, len, flags);
}

struct outcome region_move(struct region *to, uint64_t offset, struct region *from,
			   uint64_t from_offset, uint64_t len, int flags)
{
	struct odp_test_move args = {
		.handle = to->handle,
		.from = from->handle,
		.flags = flags,
		.offset = offset,
		.from_offset = from_offset,
		.length = len,
	};

	if (ioctl(to->fd, ODP_TEST_MOVE, &args))
		fail_msg("move of %#lx bytes from %#lx to %#lx: %s", len, from_offset, offset,
			 strerror(errno));
	return (struct outcome){ args.done, args.error, args.missing };
}

int region_atomic(struct region *r, uint64_t offset, int op, uint64_t operand, uint64_t compare,
		  uint64_t *old, int flags)
{
	struct odp_test_atomic args = {
		.handle = r->handle,
		.flags = flags,
		.op = op,
		.offset = offset,
		.operand = operand,
		.compare = compare,
	};

	assert_int_equal(ioctl(r->fd, ODP_TEST_ATOMIC, &args), 0);
	*old = args.old;
	return args.error;
}

int64_t region_fault(struct region *r, uint64_t offset, uint64_t len, unsigned int flags)
{
	struct odp_test_fault args = {
		.handle = r->handle,
		.flags = flags,
		.offset = offset,
		.length = len,
	};

	if (ioctl(r->fd, ODP_TEST_FAULT, &args))
		return -errno;
	return args.result;
}

struct odp_test_stats region_stats(struct region *r)
{
	struct odp_test_stats stats = { .handle = r->handle };

	assert_int_equal(ioctl(r->fd, ODP_TEST_STATS, &stats), 0);
	return stats;
}

void region_states(struct region *r, uint64_t offset, uint64_t pages, uint8_t *states)
{
	struct odp_test_query args = {
		.handle = r->handle,
		.offset = offset,
		.pages = pages,
		.states = (uintptr_t)states,
	};

	assert_int_equal(ioctl(r->fd, ODP_TEST_QUERY, &args), 0);
}

uint8_t region_state(struct region *r, uint64_t offset)
{
	uint8_t state;

	region_states(r, offset, 1, &state);
	return state;
}

void states_are(struct region *r, uint64_t offset, uint64_t pages, uint8_t mask, uint8_t want,
		const char *what)
{
	uint8_t *states = scratch(pages + 1);
	uint64_t wrong = 0, first = 0;

	region_states(r, offset, pages, states);
	for (uint64_t i = pages; i-- > 0;) {
		if ((states[i] & mask) != want) {
			first = i;
			wrong++;
		}
	}
	if (wrong)
		fail_msg("%s: %lu of %lu pages wrong, the first is %lu: state %#x & %#x, not %#x",
			 what, wrong, pages, first, states[first], mask, want);
	undo(states);
}

void region_holds(struct region *r, uint64_t offset, const void *want, uint64_t len,
		  const char *what)
{
	char *got = scratch(len + 1);
	struct outcome end;

	end = region_read(r, offset, got, len, ODP_TEST_FAULTING);
	if (end.error || end.done != len)
		fail_msg("%s: read ended after %#lx of %#lx bytes: %s", what, end.done, len,
			 strerror(-end.error));
	same_bytes(got, want, len, what);
	undo(got);
}

void region_takes(struct region *r, uint64_t offset, const void *from, uint64_t len)
{
	struct outcome end = region_write(r, offset, from, len, ODP_TEST_FAULTING);

	if (end.error || end.done != len)
		fail_msg("write ended after %#lx of %#lx bytes: %s", end.done, len,
			 strerror(-end.error));
}

static void copy_ends(struct region *r, unsigned long call, uint64_t offset, uint64_t len,
		      uint64_t done, int error)
{
	char *buffer = scratch(len);
	struct outcome end;

	memset(buffer, 0x5a, len);
	end = region_copy(r, call, offset, buffer, len, ODP_TEST_FAULTING);
	undo(buffer);
	if (end.error != error || end.done != done)
		fail_msg("%s at %#lx ended after %#lx bytes with %d, not after %#lx with %d",
			 call == ODP_TEST_READ ? "read" : "write", offset, end.done, end.error,
			 done, error);
}

void read_ends(struct region *r, uint64_t offset, uint64_t len, uint64_t done, int error)
{
	copy_ends(r, ODP_TEST_READ, offset, len, done, error);
}

void write_ends(struct region *r, uint64_t offset, uint64_t len, uint64_t done, int error)
{
	copy_ends(r, ODP_TEST_WRITE, offset, len, done, error);
}

int child_start_with_region(void (*fn)(void *arg), void *arg, int *tell, struct region *r)
{
	int pipes[2], child;

	assert_int_equal(pipe(pipes), 0);
	*tell = pipes[1];
	child = child_start(fn, arg);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], r, sizeof(*r)), sizeof(*r));
	close(pipes[0]);
	return child;
}
