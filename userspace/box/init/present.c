// SPDX-License-Identifier: GPL-2.0
/* Finds pages of a process that are in memory and may be written, beginning at a random place. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init.h"
#include "present.h"

enum { PAGE = 4096, RANGES_MOST = 1024, CHUNK = 512 };

struct range {
	unsigned long start, pages;
};

static struct range ranges[RANGES_MOST];

/* Only what can be written: a program whose code is always gone does nothing else than to load it. */
static bool line_range(const char *line, struct range *range)
{
	unsigned long start, end;
	char rights[5];

	if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) != 3 || rights[1] != 'w')
		return false;
	*range = (struct range){ start, (end - start) / PAGE };
	return true;
}

static int read_ranges(pid_t pid, unsigned long *total)
{
	char path[64], line[4500];
	FILE *maps;
	int n = 0;

	*total = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && n < RANGES_MOST && fgets(line, sizeof(line), maps))
		if (line_range(line, &ranges[n]))
			*total += ranges[n++].pages;
	if (maps)
		fclose(maps);
	return n;
}

static void add_page(struct present *present, unsigned long address)
{
	struct iovec *last = present->n ? &present->parts[present->n - 1] : NULL;

	present->pages++;
	if (last && (char *)last->iov_base + last->iov_len == (char *)address)
		last->iov_len += PAGE;
	else
		present->parts[present->n++] = (struct iovec){ (void *)address, PAGE };
}

/* The pages of a range from @from on */
static void look(struct present *present, int pagemap, const struct range *range, unsigned long from,
		 int most)
{
	static uint64_t entries[CHUNK];

	while (from < range->pages && present->pages < most) {
		unsigned long address = range->start + from * PAGE, left = range->pages - from;
		ssize_t n = pread(pagemap, entries, sizeof(*entries) * (left < CHUNK ? left : CHUNK),
				  address / PAGE * sizeof(*entries));

		if (n < (ssize_t)sizeof(*entries))
			return;
		n /= sizeof(*entries);
		for (ssize_t i = 0; i < n && present->pages < most; i++)
			if (entries[i] >> 63)
				add_page(present, address + i * PAGE);
		from += n;
	}
}

void present_find(struct present *present, pid_t pid, int most)
{
	unsigned long total, skip;
	int n = read_ranges(pid, &total), first = 0, pagemap;
	char path[64];

	*present = (struct present){};
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0 || !total)
		n = 0;
	skip = n ? random() % total : 0;
	for (; first < n && skip >= ranges[first].pages; first++)
		skip -= ranges[first].pages;
	for (int i = 0; i < n && present->pages < most; i++)
		look(present, pagemap, &ranges[(first + i) % n], i ? 0 : skip, most);
	if (pagemap >= 0)
		close(pagemap);
}
