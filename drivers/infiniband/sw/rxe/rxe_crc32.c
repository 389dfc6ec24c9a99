// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: The polynomial of the ICRC
 *
 * By the processor's instructions where the kernel has it so; where it has not, it
 * may well go byte by byte, and then most of the time of a packet is this. So there
 * are tables here, which take 16 bytes at a time. As each such step waits for the
 * one before, two halves of a block go side by side, and are then put together.
 */
#include <linux/crc32.h>
#include <linux/mm.h>
#include <linux/unaligned.h>

#include "rxe_wire.h"

/* What all ones come to with 8 bytes of all ones behind them. */
#define RXE_CRC32_SEED	0xdebb20e3

#define RXE_CRC32_STEP	16	/* bytes */
#define RXE_CRC32_HALF	512	/* bytes */

/* [n][byte]: what the byte comes to with @n bytes of 0 behind it. */
static u32 rxe_crc32_table[RXE_CRC32_STEP][256] __ro_after_init;
/* [n][byte]: what byte @n of a remainder comes to, half a block of 0 later. */
static u32 rxe_crc32_half_later[sizeof(u32)][256] __ro_after_init;
static bool rxe_crc32_by_processor __ro_after_init;

static u32 rxe_crc32_word(unsigned int behind, u32 word)
{
	return rxe_crc32_table[behind + 3][word & 0xff] ^
	       rxe_crc32_table[behind + 2][word >> 8 & 0xff] ^
	       rxe_crc32_table[behind + 1][word >> 16 & 0xff] ^
	       rxe_crc32_table[behind][word >> 24];
}

static u32 rxe_crc32_step(u32 crc, const u8 *p)
{
	return rxe_crc32_word(12, crc ^ get_unaligned_le32(p)) ^
	       rxe_crc32_word(8, get_unaligned_le32(p + 4)) ^
	       rxe_crc32_word(4, get_unaligned_le32(p + 8)) ^
	       rxe_crc32_word(0, get_unaligned_le32(p + 12));
}

static u32 rxe_crc32_block(u32 crc, const u8 *p)
{
	const u8 *end = p + RXE_CRC32_HALF;
	u32 second = 0;

	for (; p < end; p += RXE_CRC32_STEP) {
		crc = rxe_crc32_step(crc, p);
		second = rxe_crc32_step(second, p + RXE_CRC32_HALF);
	}
	return rxe_crc32_half_later[0][crc & 0xff] ^
	       rxe_crc32_half_later[1][crc >> 8 & 0xff] ^
	       rxe_crc32_half_later[2][crc >> 16 & 0xff] ^
	       rxe_crc32_half_later[3][crc >> 24] ^ second;
}

static u32 rxe_crc32_tables(u32 crc, const u8 *p, size_t len)
{
	const size_t block = 2 * RXE_CRC32_HALF;

	for (; len >= block; p += block, len -= block)
		crc = rxe_crc32_block(crc, p);
	for (; len >= RXE_CRC32_STEP; p += RXE_CRC32_STEP, len -= RXE_CRC32_STEP)
		crc = rxe_crc32_step(crc, p);
	while (len--)
		crc = crc >> 8 ^ rxe_crc32_table[0][(crc ^ *p++) & 0xff];
	return crc;
}

/**
 * rxe_crc32() - CRC32 of memory, as if 8 bytes of all ones were in front of it
 * @p: the memory
 * @len: its bytes
 *
 * Context: any but a hard interrupt.
 * Return: the remainder that began with all ones, not inverted: as crc32_le().
 */
u32 rxe_crc32(const void *p, size_t len)
{
	if (rxe_crc32_by_processor)
		return compat_crc32(RXE_CRC32_SEED, p, len);
	return rxe_crc32_tables(RXE_CRC32_SEED, p, len);
}

/* Context: may sleep. */
void rxe_crc32_module_init(void)
{
	const u8 *zeroes = page_address(ZERO_PAGE(0));
	unsigned int n, i;
	u32 crc;

	compat_crc32_init(RXE_CRC32_SEED);
	rxe_crc32_by_processor = compat_crc32_by_processor();
	if (rxe_crc32_by_processor)
		return;
	for (i = 0; i < 256; i++) {
		for (n = 0, crc = i; n < RXE_CRC32_STEP; n++)
			rxe_crc32_table[n][i] = crc = crc32_le(crc, zeroes, 1);
		for (n = 0; n < sizeof(u32); n++)
			rxe_crc32_half_later[n][i] =
				crc32_le(i << 8 * n, zeroes, RXE_CRC32_HALF);
	}
}

void rxe_crc32_module_exit(void)
{
	compat_crc32_exit();
}
