/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* The ioctl of /dev/verbs_test, for the module and for tests/verbs/consumer.c. */
#ifndef KERNEL_VERBS_TEST_H
#define KERNEL_VERBS_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VERBS_TEST_DEVICE "/dev/verbs_test"

/* Runs a test between two devices, which may be the same. */
struct verbs_test_run {
	char test[32];
	char device[32];
	char peer[32];
	__u32 slow;		/* how many times slower than usual the machine is */
	char failure[160];	/* out: the failure; empty: the test passed */
};

#define VERBS_TEST_RUN _IOWR('V', 1, struct verbs_test_run)

#endif
