// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/pager.h"
#include "lib/test.h"
#include "lib/uffd.h"

/* Nobody writes to a page with content now: the only writer waits for the page that replaces it. */
static void take_oldest(struct pager *pager)
{
	size_t page = pager->kept[pager->tail++ % pager->resident];
	uint8_t *p = pager->p + page * PAGE;

	if (pager->content) {
		memcpy(pager->content + page * PAGE, p, PAGE);
		pager->present[page] = false;
	}
	madvise(p, PAGE, MADV_DONTNEED);
}

static struct uffdio_range range_of(const struct pager *pager, size_t page)
{
	return (struct uffdio_range){ (uintptr_t)pager->p + page * PAGE, PAGE };
}

static void wake(struct pager *pager, size_t page)
{
	struct uffdio_range range = range_of(pager, page);

	ioctl(pager->fd, UFFDIO_WAKE, &range);
}

static int fill(struct pager *pager, size_t page)
{
	struct uffdio_zeropage zero = { .range = range_of(pager, page) };
	struct uffdio_copy copy = { .dst = zero.range.start, .len = PAGE };

	if (!pager->content)
		return ioctl(pager->fd, UFFDIO_ZEROPAGE, &zero);
	copy.src = (uintptr_t)pager->content + page * PAGE;
	return ioctl(pager->fd, UFFDIO_COPY, &copy);
}

static void give(struct pager *pager, size_t page)
{
	pager->asked++;
	if (pager->page_us)
		usleep(pager->page_us);
	if (pager->resident && pager->head - pager->tail >= pager->resident)
		take_oldest(pager);
	if (fill(pager, page)) {
		/* The page is present already: several faults came for it. */
		wake(pager, page);
		return;
	}
	pager->present[page] = pager->content;
	if (pager->resident)
		pager->kept[pager->head++ % pager->resident] = page;
}

static void serve(struct pager *pager, size_t page)
{
	if (pager->present[page]) {
		wake(pager, page);
	} else if (pager->limit >= 0 && (long)page >= pager->limit) {
		pager->early += !pager->waiting[page];
		pager->waiting[page] = true;
	} else {
		pager->waiting[page] = false;
		give(pager, page);
	}
}

static void serve_waiting(struct pager *pager)
{
	for (size_t page = 0; page < pager->pages; page++)
		if (pager->waiting[page] && (pager->limit < 0 || (long)page < pager->limit))
			serve(pager, page);
}

static void *pager_run(void *arg)
{
	struct pager *pager = arg;
	struct pollfd fault = { .fd = pager->fd, .events = POLLIN };
	struct uffd_msg msg;

	while (!pager->stop) {
		if (poll(&fault, 1, 2) == 1 && read(pager->fd, &msg, sizeof(msg)) == sizeof(msg))
			serve(pager, (msg.arg.pagefault.address - (uintptr_t)pager->p) / PAGE);
		serve_waiting(pager);
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

void pager_never(int fd, void *p, size_t len)
{
	madvise(p, len, MADV_NOHUGEPAGE);
	uffd_watch(fd, UFFD_MISSING, p, len);
}

static void *zeroed(size_t len)
{
	return memset(scratch(len), 0, len);
}

struct pager *pager_make(int fd, void *p, size_t len)
{
	struct pager *pager = zeroed(sizeof(*pager));

	pager->fd = fd;
	pager->p = p;
	pager->pages = len / PAGE;
	pager->limit = -1;
	pager->present = zeroed(pager->pages);
	pager->waiting = zeroed(pager->pages);
	pager_never(fd, p, len);
	return pager;
}

void pager_keep_content(struct pager *pager)
{
	pager->content = map_anon(pager->pages * PAGE);
}

void pager_start(struct pager *pager)
{
	if (pager->resident)
		pager->kept = scratch(pager->resident * sizeof(*pager->kept));
	assert_int_equal(pthread_create(&pager->thread, NULL, pager_run, pager), 0);
	defer(pager_end, pager);
}
