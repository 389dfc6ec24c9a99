// SPDX-License-Identifier: GPL-2.0
/*
 * rings: marks the pages of an io_uring, which the kernel maps several at a time. Looks whether a child sees
 * the same pages. Ends with 0 if it does.
 */
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, ENTRIES = 256, PAGES = ENTRIES * sizeof(struct io_uring_sqe) / PAGE };

static int wrong_pages(const volatile char *memory)
{
	int wrong = 0;

	for (int page = 0; page < PAGES; page++)
		wrong += memory[page * PAGE] != page + 1;
	return wrong;
}

int main(void)
{
	struct io_uring_params params = {};
	int fd = syscall(SYS_io_uring_setup, ENTRIES, &params), status;
	char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			    IORING_OFF_SQES);
	pid_t child;

	if (fd < 0 || memory == MAP_FAILED) {
		perror("io_uring");
		return 2;
	}
	for (int page = 0; page < PAGES; page++)
		memory[page * PAGE] = page + 1;
	child = fork();
	if (!child)
		_exit(wrong_pages(memory));
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 2;
	printf("%d of %d pages are wrong in a child\n", WEXITSTATUS(status), PAGES);
	return !!WEXITSTATUS(status);
}
