/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RXE_ODP_COMPAT_CRC32_H
#define RXE_ODP_COMPAT_CRC32_H

#include <linux/bits.h>
#include <linux/crc32.h>

#ifdef HAVE_CRC32_OPTIMIZATIONS
static inline void compat_crc32_init(u32 seed)
{
}

static inline void compat_crc32_exit(void)
{
}

static inline bool compat_crc32_by_processor(void)
{
	return crc32_optimizations() & CRC32_LE_OPTIMIZATION;
}

static inline u32 compat_crc32(u32 seed, const void *p, size_t len)
{
	return crc32_le(seed, p, len);
}
#else
/* crc32.c */
void compat_crc32_init(u32 seed);
void compat_crc32_exit(void);
bool compat_crc32_by_processor(void);
u32 compat_crc32(u32 seed, const void *p, size_t len);
#endif

#endif /* RXE_ODP_COMPAT_CRC32_H */
