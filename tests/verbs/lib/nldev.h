/* SPDX-License-Identifier: GPL-2.0 */
/* What rdma(8) asks the kernel, asked by this thread itself. */
#ifndef VERBS_NLDEV_H
#define VERBS_NLDEV_H

#include <stddef.h>

/* A socket for the following, closed at the end of the test. */
int nldev_open(void);

/* 0, or an errno; ETIMEDOUT where there was no answer. */
int nldev_link_add(int fd, const char *device, const char *netdev);
int nldev_link_delete(int fd, int device_index);

/* The number of the device; -1: there is none of that name. */
int nldev_index(int fd, const char *device);

/* How many objects of each kind the device has, as text. */
void nldev_resources(int fd, int device_index, char *text, size_t size);

#endif
