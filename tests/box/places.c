// SPDX-License-Identifier: GPL-2.0
/*
 * places SECONDS [same]: writes bytes into a megabyte, "same" ones into each page, looks for that time whether
 * they stay, and where the pages are. Ends with 0 if the bytes stayed and pages changed their places.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 256 };

static char *memory;
static int same;

static char byte_of(int page)
{
	return same ? 77 : page % 251 + 1;
}

static void look(void)
{
	for (int page = 0; page < PAGES; page++)
		for (int i = 0; i < PAGE; i += 64)
			if (memory[page * PAGE + i] != byte_of(page)) {
				printf("page %d has lost its bytes\n", page);
				exit(1);
			}
}

static void places_read(uint64_t places[PAGES])
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t len = PAGES * sizeof(*places);

	if (fd < 0 || pread(fd, places, len, (uintptr_t)memory / PAGE * sizeof(*places)) != (ssize_t)len) {
		perror("pagemap");
		exit(1);
	}
	close(fd);
}

static int changes(const uint64_t before[PAGES], const uint64_t after[PAGES])
{
	uint64_t place = (1ull << 55) - 1;
	int n = 0;

	for (int i = 0; i < PAGES; i++)
		n += before[i] >> 63 && after[i] >> 63 && (before[i] & place) != (after[i] & place);
	return n;
}

int main(int argc, char **argv)
{
	uint64_t before[PAGES], after[PAGES];
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
	int moved = 0;

	same = argc > 2;
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int page = 0; page < PAGES; page++)
		memset(memory + page * PAGE, byte_of(page), PAGE);
	places_read(before);
	while (time(NULL) < end) {
		usleep(20000);
		look();
		places_read(after);
		moved += changes(before, after);
		memcpy(before, after, sizeof(before));
	}
	printf("%d changes of a page's place\n", moved);
	return moved ? 0 : 2;
}
