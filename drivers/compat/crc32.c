// SPDX-License-Identifier: GPL-2.0
#ifndef HAVE_CRC32_OPTIMIZATIONS
/*
 * The processor's own CRC32, which crc32_le() is only on some architectures yet,
 * by the crypto API.
 */
#include <crypto/hash.h>
#include <linux/err.h>

/* NULL: the kernel has none. */
static struct crypto_shash *compat_crc32_tfm;

/**
 * compat_crc32_init() - find it
 *
 * Context: may sleep.
 */
void compat_crc32_init(void)
{
	static const u8 seed[] = { 0xff, 0xff, 0xff, 0xff };
	struct crypto_shash *tfm = crypto_alloc_shash("crc32", 0, 0);

	if (IS_ERR(tfm))
		return;
	if (crypto_shash_digestsize(tfm) != sizeof(u32) ||
	    crypto_shash_setkey(tfm, seed, sizeof(seed)))
		crypto_free_shash(tfm);
	else
		compat_crc32_tfm = tfm;
}

void compat_crc32_exit(void)
{
	crypto_free_shash(compat_crc32_tfm);
}

/**
 * compat_crc32_by_processor() - is it the processor's own that was found?
 *
 * Context: after compat_crc32_init().
 */
bool compat_crc32_by_processor(void)
{
	return compat_crc32_tfm &&
	       strcmp(crypto_tfm_alg_driver_name(
			      crypto_shash_tfm(compat_crc32_tfm)),
		      "crc32-generic");
}

static bool compat_crc32_try(u32 *crc, const void *a, size_t a_len,
			     const void *b, size_t b_len)
{
	SHASH_DESC_ON_STACK(desc, compat_crc32_tfm);
	__le32 out;

	desc->tfm = compat_crc32_tfm;
	if (crypto_shash_init(desc) || crypto_shash_update(desc, a, a_len) ||
	    crypto_shash_finup(desc, b, b_len, (u8 *)&out))
		return false;
	*crc = le32_to_cpu(out);
	return true;
}

/**
 * compat_crc32() - CRC32 of two pieces of memory, one behind the other
 * @a: the first
 * @a_len: its bytes
 * @b: the second
 * @b_len: its bytes
 *
 * Context: any but a hard interrupt.
 * Return: as crc32_le() does of all ones and then of the pieces.
 */
u32 compat_crc32(const void *a, size_t a_len, const void *b, size_t b_len)
{
	u32 crc;

	if (compat_crc32_tfm && compat_crc32_try(&crc, a, a_len, b, b_len))
		return crc;
	return crc32_le(crc32_le(~0, a, a_len), b, b_len);
}
#endif
