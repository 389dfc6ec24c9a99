// SPDX-License-Identifier: GPL-2.0
/*
 * lost SECONDS: a process counts in pages that another one pages out all the time. Prints how often a page
 * came back with an older count. Wants swap space.
 */
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGES	256
#define PAGE	4096

struct result {
	unsigned long counted, lost;
};

static void count(volatile unsigned long *memory, struct result *result)
{
	static unsigned long expected[PAGES];

	for (unsigned long n = 0;; n++) {
		volatile unsigned long *word = memory + n % PAGES * (PAGE / sizeof(*memory));

		if (*word != expected[n % PAGES]) {
			result->lost++;
			expected[n % PAGES] = *word;
		}
		*word = ++expected[n % PAGES];
		result->counted = n;
	}
}

static void *pages(int flags, size_t n)
{
	void *memory = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return memory;
}

int main(int argc, char **argv)
{
	struct result *result = pages(MAP_SHARED, 1);
	struct iovec range = { pages(MAP_PRIVATE, PAGES), PAGES * PAGE };
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	pid_t counter = fork();
	int fd;

	if (!counter)
		count(range.iov_base, result);
	fd = syscall(SYS_pidfd_open, counter, 0);
	while (time(NULL) < end) {
		if (syscall(SYS_process_madvise, fd, &range, 1, MADV_PAGEOUT, 0) < 0) {
			perror("process_madvise");
			break;
		}
		usleep(500);
	}
	kill(counter, SIGKILL);
	waitpid(counter, NULL, 0);
	printf("counted %lu, lost %lu\n", result->counted, result->lost);
	return !result->counted || result->lost;
}
