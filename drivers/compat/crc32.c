// SPDX-License-Identifier: GPL-2.0
#ifndef HAVE_CRC32_OPTIMIZATIONS
/*
 * CRC32 by CPU instructions, through the crypto API. In these kernels,
 * crc32_le() uses CPU instructions on some architectures only.
 */
#include <crypto/hash.h>
#include <linux/err.h>

/* NULL: the crypto API has no crc32. */
static struct crypto_shash *compat_crc32_tfm;

/**
 * compat_crc32_init() - find the crypto API's crc32
 * @seed: the remainder from which every computation starts
 *
 * Context: process context; may sleep.
 */
void compat_crc32_init(u32 seed)
{
	__le32 key = cpu_to_le32(seed);
	struct crypto_shash *tfm = crypto_alloc_shash("crc32", 0, 0);

	if (IS_ERR(tfm))
		return;
	if (crypto_shash_digestsize(tfm) != sizeof(u32) ||
	    crypto_shash_setkey(tfm, (u8 *)&key, sizeof(key)))
		crypto_free_shash(tfm);
	else
		compat_crc32_tfm = tfm;
}

/**
 * compat_crc32_exit() - undo compat_crc32_init()
 *
 * Context: process context; may sleep.
 */
void compat_crc32_exit(void)
{
	crypto_free_shash(compat_crc32_tfm);
}

/**
 * compat_crc32_by_processor() - find out whether compat_crc32() is fast
 *
 * Context: any, after compat_crc32_init().
 * Return: true if compat_crc32() uses CPU instructions.
 */
bool compat_crc32_by_processor(void)
{
	return compat_crc32_tfm &&
	       strcmp(crypto_tfm_alg_driver_name(
			      crypto_shash_tfm(compat_crc32_tfm)),
		      "crc32-generic");
}

static bool compat_crc32_try(u32 *crc, const void *p, size_t len)
{
	SHASH_DESC_ON_STACK(desc, compat_crc32_tfm);
	__le32 out;

	desc->tfm = compat_crc32_tfm;
	if (crypto_shash_digest(desc, p, len, (u8 *)&out))
		return false;
	*crc = le32_to_cpu(out);
	return true;
}

/**
 * compat_crc32() - compute crc32_le()
 * @seed: the seed that compat_crc32_init() was called with
 * @p: the data
 * @len: length of the data in bytes
 *
 * Context: any but a hard interrupt.
 * Return: the remainder.
 */
u32 compat_crc32(u32 seed, const void *p, size_t len)
{
	u32 crc;

	if (compat_crc32_tfm && compat_crc32_try(&crc, p, len))
		return crc;
	return crc32_le(seed, p, len);
}
#endif
