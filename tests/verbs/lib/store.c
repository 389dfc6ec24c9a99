// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/store.h"
#include "lib/test.h"
#include "lib/uffd.h"

/* Nobody writes to the oldest page now: the only writer waits for the page that replaces it. */
static void take_away(struct store *store)
{
	unsigned long page = store->kept[store->tail++ % STORE_PAGES];
	uint8_t *p = store->p + page * PAGE;

	memcpy(store->content + page * PAGE, p, PAGE);
	store->present[page] = false;
	madvise(p, PAGE, MADV_DONTNEED);
}

static void wake(struct store *store, unsigned long page)
{
	struct uffdio_range range = { (uintptr_t)store->p + page * PAGE, PAGE };

	ioctl(store->fd, UFFDIO_WAKE, &range);
}

static void give(struct store *store, unsigned long page)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)store->p + page * PAGE,
		.src = (uintptr_t)store->content + page * PAGE,
		.len = PAGE,
	};

	store->asked++;
	if (store->page_us)
		usleep(store->page_us);
	if (store->resident && store->head - store->tail >= store->resident)
		take_away(store);
	if (ioctl(store->fd, UFFDIO_COPY, &copy))
		return;
	store->present[page] = true;
	store->kept[store->head++ % STORE_PAGES] = page;
}

static void serve(struct store *store, unsigned long page)
{
	if (store->present[page]) {
		wake(store, page);
	} else if (store->limit >= 0 && (long)page >= store->limit) {
		store->early += !store->waiting[page];
		store->waiting[page] = true;
	} else {
		store->waiting[page] = false;
		give(store, page);
	}
}

static void serve_waiting(struct store *store)
{
	for (unsigned long page = 0; page < store->pages; page++)
		if (store->waiting[page] && (store->limit < 0 || (long)page < store->limit))
			serve(store, page);
}

static void *store_run(void *arg)
{
	struct store *store = arg;

	while (!store->stop) {
		struct pollfd fault = { .fd = store->fd, .events = POLLIN };
		struct uffd_msg msg;

		if (poll(&fault, 1, 2) == 1 && read(store->fd, &msg, sizeof(msg)) == sizeof(msg))
			serve(store, (msg.arg.pagefault.address - (uintptr_t)store->p) / PAGE);
		serve_waiting(store);
	}
	return NULL;
}

static int store_join(void *object)
{
	struct store *store = object;

	store->stop = true;
	return pthread_join(store->thread, NULL);
}

struct store *store_open(struct buf *buf)
{
	struct store *store = scratch(sizeof(*store));

	assert_in_range(buf->len, PAGE, STORE_PAGES * PAGE);
	memset(store, 0, sizeof(*store));
	store->fd = uffd_open(UFFD_MISSING);
	store->p = buf->p;
	store->pages = buf->len / PAGE;
	store->content = map_anon(buf->len);
	store->limit = -1;
	madvise(buf->p, buf->len, MADV_NOHUGEPAGE);
	uffd_watch(store->fd, UFFD_MISSING, buf->p, buf->len);
	return store;
}

void store_start(struct store *store)
{
	assert_int_equal(pthread_create(&store->thread, NULL, store_run, store), 0);
	defer(store_join, store);
}
