// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cover.h"
#include "lib/pattern.h"
#include "lib/test.h"

#define KCOV "/sys/kernel/debug/kcov"
#define WORDS (1ul << 18)	/* more than a few hundred packets need */
#define SLOTS (1ul << 18)

/* --- numbers ------------------------------------------------------------------------ */

static struct number_set number_set_make(void)
{
	struct number_set set = { .slots = scratch(SLOTS * sizeof(*set.slots)) };

	memset(set.slots, 0, SLOTS * sizeof(*set.slots));
	return set;
}

/* Adds @number, which is not 0. Returns whether it is new. */
static bool number_set_add(struct number_set *set, uint64_t number)
{
	size_t i = mix64(number) % SLOTS;

	for (; set->slots[i]; i = (i + 1) % SLOTS) {
		if (set->slots[i] == number)
			return false;
	}
	set->slots[i] = number;
	assert_true(++set->n < SLOTS / 4 * 3);
	return true;
}

/* --- KCOV --------------------------------------------------------------------------- */

static int cover_close(void *object)
{
	struct cover *cover = object;
	int ret = ioctl(cover->fd, KCOV_DISABLE, 0);

	munmap(cover->area, WORDS * sizeof(*cover->area));
	close(cover->fd);
	return ret;
}

static void enable(struct cover *cover)
{
	struct kcov_remote_arg arg = {
		.trace_mode = KCOV_TRACE_PC, .area_size = WORDS,
		.common_handle = kcov_remote_handle(KCOV_SUBSYSTEM_COMMON, getpid()),
	};

	if (ioctl(cover->fd, KCOV_REMOTE_ENABLE, &arg))
		fail_msg("KCOV: %s", strerror(errno));
}

void need_cover(void)
{
	if (access(KCOV, R_OK | W_OK))
		skip_because("this kernel does not record the code that packets reach (CONFIG_KCOV)");
}

struct cover *cover_open(void)
{
	int fd = open(KCOV, O_RDWR | O_CLOEXEC);
	struct cover *cover;

	if (fd < 0)
		return NULL;
	cover = scratch(sizeof(*cover));
	*cover = (struct cover){ .fd = fd, .places = number_set_make(), .ways = number_set_make() };
	assert_int_equal(ioctl(fd, KCOV_INIT_TRACE, WORDS), 0);
	cover->area = mmap(NULL, WORDS * sizeof(*cover->area), PROT_READ | PROT_WRITE, MAP_SHARED,
			   fd, 0);
	assert_true(cover->area != MAP_FAILED);
	enable(cover);
	defer(cover_close, cover);
	return cover;
}

size_t cover_collect(struct cover *cover)
{
	uint64_t n = __atomic_load_n(cover->area, __ATOMIC_ACQUIRE), last = 0;
	size_t new = 0;

	for (uint64_t i = 1; i <= n; i++) {
		uint64_t place = cover->area[i];

		new += number_set_add(&cover->places, place);
		new += number_set_add(&cover->ways, mix64(last) ^ place);
		last = place;
	}
	__atomic_store_n(cover->area, 0, __ATOMIC_RELEASE);
	return new;
}
