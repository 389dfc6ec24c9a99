/* SPDX-License-Identifier: GPL-2.0 */
/* rxe_crc32.c: the polynomial of the ICRC */
#ifndef RXE_CRC32_H
#define RXE_CRC32_H

#include <linux/types.h>

u32 rxe_crc32(const void *p, size_t len);
void rxe_crc32_module_init(void);
void rxe_crc32_module_exit(void);

#endif /* RXE_CRC32_H */
