/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* What /dev/verbs_test understands; shared by the module and by tests/verbs/consumer.c. */
#ifndef KERNEL_VERBS_TEST_H
#define KERNEL_VERBS_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VERBS_TEST_DEVICE "/dev/verbs_test"

/* Runs a test between two devices, which may be one. */
struct verbs_test_run {
	char test[32];
	char device[32];
	char peer[32];
	__u32 slow;		/* how many times slower than usual all is */
	char failure[160];	/* out: what went wrong; empty: nothing did */
};

#define VERBS_TEST_RUN _IOWR('V', 1, struct verbs_test_run)

#endif
