// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The polynomial of the ICRC
 *
 * The CRC32 of packets is computed by CPU instructions where the kernel uses
 * them. Where it does not, the kernel may compute CRC32 byte by byte, which
 * would take most of the time that a packet takes. For these kernels this file
 * has tables that take 16 bytes per step. A step depends on the result of the
 * step before, so the two halves of a block are computed side by side and then
 * combined.
 */
#include <linux/crc32.h>
#include <linux/mm.h>
#include <linux/unaligned.h>

#include "rxe_crc32.h"

/* The remainder after 8 bytes of all ones, starting from all ones. */
#define RXE_CRC32_SEED	0xdebb20e3

#define RXE_CRC32_STEP	16	/* bytes */
#define RXE_CRC32_HALF	512	/* bytes */

/* [n][byte]: the remainder of the byte followed by n bytes of 0 */
static u32 rxe_crc32_table[RXE_CRC32_STEP][256] __ro_after_init;
/* [n][byte]: the remainder of byte n of a remainder, after half a block of 0 */
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
	for (; len >= RXE_CRC32_STEP;
	     p += RXE_CRC32_STEP, len -= RXE_CRC32_STEP)
		crc = rxe_crc32_step(crc, p);
	while (len--)
		crc = crc >> 8 ^ rxe_crc32_table[0][(crc ^ *p++) & 0xff];
	return crc;
}

/**
 * rxe_crc32() - compute the CRC32 of memory preceded by 8 bytes of all ones
 * @p: the memory
 * @len: the length of the memory in bytes
 *
 * Context: any but a hard interrupt.
 * Return: the remainder as crc32_le() computes it from all ones; not inverted.
 */
u32 rxe_crc32(const void *p, size_t len)
{
	if (rxe_crc32_by_processor)
		return compat_crc32(RXE_CRC32_SEED, p, len);
	return rxe_crc32_tables(RXE_CRC32_SEED, p, len);
}

/**
 * rxe_crc32_module_init() - choose the implementation and fill its tables
 *
 * Context: process context; may sleep.
 */
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

/**
 * rxe_crc32_module_exit() - undo rxe_crc32_module_init()
 *
 * Context: process context; may sleep.
 */
void rxe_crc32_module_exit(void)
{
	compat_crc32_exit();
}
