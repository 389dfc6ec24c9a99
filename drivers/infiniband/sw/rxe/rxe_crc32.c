// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The polynomial of the ICRC
 *
 * By the processor's instructions where the kernel has it so; where it has not, it
 * may well go byte by byte, and then most of the time of a packet is this. So there
 * are tables here, which take 16 bytes at a time.
 */
#include <linux/crc32.h>
#include <linux/unaligned.h>

#include "rxe_wire.h"

#define RXE_CRC32_STEP	16	/* bytes */

/* [n][byte]: what the byte comes to with @n bytes of 0 behind it. */
static u32 rxe_crc32_table[RXE_CRC32_STEP][256] __ro_after_init;
static bool rxe_crc32_by_processor __ro_after_init;

static u32 rxe_crc32_word(unsigned int behind, u32 word)
{
	return rxe_crc32_table[behind + 3][word & 0xff] ^
	       rxe_crc32_table[behind + 2][word >> 8 & 0xff] ^
	       rxe_crc32_table[behind + 1][word >> 16 & 0xff] ^
	       rxe_crc32_table[behind][word >> 24];
}

static u32 rxe_crc32_tables(u32 crc, const u8 *p, size_t len)
{
	for (; len >= RXE_CRC32_STEP; len -= RXE_CRC32_STEP) {
		crc = rxe_crc32_word(12, crc ^ get_unaligned_le32(p)) ^
		      rxe_crc32_word(8, get_unaligned_le32(p + 4)) ^
		      rxe_crc32_word(4, get_unaligned_le32(p + 8)) ^
		      rxe_crc32_word(0, get_unaligned_le32(p + 12));
		p += RXE_CRC32_STEP;
	}
	while (len--)
		crc = crc >> 8 ^ rxe_crc32_table[0][(crc ^ *p++) & 0xff];
	return crc;
}

/**
 * rxe_crc32() - CRC32 of two pieces of memory, one behind the other
 * @a: the first
 * @a_len: its bytes
 * @b: the second
 * @b_len: its bytes
 *
 * Context: any but a hard interrupt.
 * Return: the remainder that began with all ones, not inverted: as crc32_le().
 */
u32 rxe_crc32(const void *a, size_t a_len, const void *b, size_t b_len)
{
	if (rxe_crc32_by_processor)
		return compat_crc32(a, a_len, b, b_len);
	return rxe_crc32_tables(rxe_crc32_tables(~0, a, a_len), b, b_len);
}

/* Context: may sleep. */
void rxe_crc32_module_init(void)
{
	unsigned int n, i;
	u8 byte, zero = 0;

	compat_crc32_init();
	rxe_crc32_by_processor = compat_crc32_by_processor();
	for (i = 0; i < 256; i++) {
		byte = i;
		rxe_crc32_table[0][i] = crc32_le(0, &byte, 1);
		for (n = 1; n < RXE_CRC32_STEP; n++)
			rxe_crc32_table[n][i] =
				crc32_le(rxe_crc32_table[n - 1][i], &zero, 1);
	}
}

void rxe_crc32_module_exit(void)
{
	compat_crc32_exit();
}
