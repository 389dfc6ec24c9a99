/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copying most of a page. The kernel's memcpy() moves word by word in a loop on x86
 * processors that do not say that they move short strings fast (FSRM), and always in
 * uml. That is for short copies; of long ones the string instruction of any of these
 * processors takes a half or a third of the time.
 */
#ifndef RXE_ODP_COMPAT_COPY_H
#define RXE_ODP_COMPAT_COPY_H

#include <linux/kasan-checks.h>
#include <linux/string.h>

/* From how many bytes on starting the instruction is not what it takes. */
#define COMPAT_LONG_COPY 512

#ifdef CONFIG_X86_64
static inline void compat_copy_words(void *to, const void *from, size_t words)
{
	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static inline void compat_copy_long(void *to, const void *from, size_t len)
{
	size_t tail = len % sizeof(u64);

	kasan_check_read(from, len);
	kasan_check_write(to, len);
	compat_copy_words(to, from, len / sizeof(u64));
	if (tail)
		memcpy(to + len - tail, from + len - tail, tail);
}
#else
#define compat_copy_long memcpy
#endif

/**
 * compat_copy() - memcpy(), quick for short and long pieces
 * @to: where
 * @from: what; does not overlap @to
 * @len: bytes
 *
 * Context: any.
 */
static inline void compat_copy(void *to, const void *from, size_t len)
{
	if (len < COMPAT_LONG_COPY)
		memcpy(to, from, len);
	else
		compat_copy_long(to, from, len);
}

#endif /* RXE_ODP_COMPAT_COPY_H */
