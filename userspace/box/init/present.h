/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BOX_PRESENT_H
#define BOX_PRESENT_H

#include <sys/types.h>
#include <sys/uio.h>

enum { PRESENT_MOST = 1024 };

struct present {
	struct iovec parts[PRESENT_MOST];
	int n, pages;
};

void present_find(struct present *present, pid_t pid, int most);

#endif
