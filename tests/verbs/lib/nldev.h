/* SPDX-License-Identifier: GPL-2.0 */
/* The requests of rdma(8) to the kernel, sent by this thread itself. */
#ifndef VERBS_NLDEV_H
#define VERBS_NLDEV_H

#include <stddef.h>

/* A socket for the following, closed at the end of the test. */
int nldev_open(void);

/* Returns 0 or an errno; ETIMEDOUT if there was no answer. */
int nldev_link_add(int fd, const char *device, const char *netdev);
int nldev_link_delete(int fd, int device_index);

/* Returns the index of the device, or -1 if there is none of that name. */
int nldev_index(int fd, const char *device);

/* Describes in @text how many objects of each kind the device has. */
void nldev_resources(int fd, int device_index, char *text, size_t size);

#endif
