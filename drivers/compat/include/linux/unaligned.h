/* SPDX-License-Identifier: GPL-2.0 */
/* Found only where the kernel does not have it: before 6.12. */
#include <asm/unaligned.h>
