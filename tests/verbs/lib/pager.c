// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/pager.h"
#include "lib/mem.h"
#include "lib/test.h"
#include "lib/uffd.h"

struct pager {
	struct pager_rules rules;
	int fd;
	atomic_ullong faults;
	atomic_bool stop;
	pthread_t thread;
	size_t given, taken;	/* pages given and removed since the start */
	uint64_t *order;	/* ring of the addresses of present pages, rules.resident entries */
};

static void take_oldest(struct pager *pager)
{
	uint64_t page = pager->order[pager->taken++ % pager->rules.resident];

	madvise((void *)page, PAGE, MADV_DONTNEED);
}

static void give(struct pager *pager, uint64_t page)
{
	struct uffdio_zeropage zero = { .range = { page, PAGE } };

	if (pager->rules.delay_ms)
		sleep_ms(pager->rules.delay_ms);
	if (pager->rules.resident && pager->given - pager->taken == pager->rules.resident)
		take_oldest(pager);
	if (ioctl(pager->fd, UFFDIO_ZEROPAGE, &zero)) {
		/* The page is present already: several faults came for it. */
		ioctl(pager->fd, UFFDIO_WAKE, &zero.range);
		return;
	}
	if (pager->rules.resident)
		pager->order[pager->given++ % pager->rules.resident] = page;
}

static void *serve(void *arg)
{
	struct pager *pager = arg;
	struct pollfd ready = { .fd = pager->fd, .events = POLLIN };
	struct uffd_msg msg;

	while (!pager->stop) {
		if (poll(&ready, 1, 10) != 1 || read(pager->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		pager->faults++;
		if (!pager->rules.never)
			give(pager, msg.arg.pagefault.address & -PAGE);
	}
	return NULL;
}

static int pager_end(void *object)
{
	struct pager *pager = object;

	pager->stop = true;
	return pthread_join(pager->thread, NULL);
}

int pager_open(void)
{
	return uffd_open(UFFD_MISSING);
}

struct pager *pager_start(int fd, void *p, size_t len, struct pager_rules rules)
{
	struct pager *pager = scratch(sizeof(*pager));

	memset(pager, 0, sizeof(*pager));
	pager->rules = rules;
	if (rules.resident)
		pager->order = scratch(rules.resident * sizeof(*pager->order));
	pager->fd = fd;
	madvise(p, len, MADV_NOHUGEPAGE);
	uffd_watch(pager->fd, UFFD_MISSING, p, len);
	assert_int_equal(pthread_create(&pager->thread, NULL, serve, pager), 0);
	defer(pager_end, pager);
	return pager;
}

uint64_t pager_faults(const struct pager *pager)
{
	return pager->faults;
}
