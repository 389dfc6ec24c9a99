// SPDX-License-Identifier: GPL-2.0
/* 6.14: crc32_le() uses CPU instructions where the CPU has them. */
#include <linux/crc32.h>
u32 test(void);
u32 test(void)
{
	return crc32_optimizations();
}
