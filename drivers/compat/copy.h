/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copies of up to a page. On x86 CPUs without FSRM (fast short REP MOV), and
 * always in uml, the kernel's memcpy() is a loop that copies word by word. That
 * is good for short copies. For long copies, the string instruction of all
 * these CPUs needs a half or a third of the loop's time. In addition, a thread
 * that polls memory to which a peer writes must see the last byte last.
 */
#ifndef RXE_ODP_COMPAT_COPY_H
#define RXE_ODP_COMPAT_COPY_H

#include <linux/align.h>
#include <linux/kasan-checks.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <asm/barrier.h>

/*
 * From this number of bytes on, the start-up time of the string instruction
 * does not matter: 512, less one word.
 */
#define COMPAT_LONG_COPY 504

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
 * compat_copy() - memcpy() that is fast for short and for long copies
 * @to: destination
 * @from: source; does not overlap the destination
 * @len: number of bytes
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

/*
 * Copies out of memory that may have failed. The kernel's copy_mc_to_kernel()
 * copies byte by byte, and is only used on CPUs that need it. These functions
 * use the instructions of the copies above. If a machine check hits one of
 * them, the kernel continues at the address in its exception table entry.
 */
#if defined(CONFIG_X86_64) && defined(CONFIG_ARCH_HAS_COPY_MC)
#include <asm/asm.h>

#define COMPAT_MC_MOVE(insn, reg)					\
	asm goto("1: " insn " (%0), " reg "\n\t"			\
		 insn " " reg ", (%1)\n\t"				\
		 _ASM_EXTABLE_TYPE(1b, %l2, EX_TYPE_DEFAULT_MCE_SAFE)	\
		 : : "r"(from), "r"(to) : "memory", "rax" : failed)

/* Returns the number of words that have not been copied. */
static inline size_t compat_mc_words(void *to, const void *from, size_t words)
{
	asm volatile("1: rep movsq\n"
		     "2:\n\t"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_DEFAULT_MCE_SAFE)
		     : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	return words;
}

static inline bool compat_mc_short(void *to, const void *from, size_t len)
{
	for (; len >= 8; len -= 8, to += 8, from += 8)
		COMPAT_MC_MOVE("movq", "%%rax");
	if (len & 4) {
		COMPAT_MC_MOVE("movl", "%%eax");
		to += 4;
		from += 4;
	}
	if (len & 2) {
		COMPAT_MC_MOVE("movw", "%%ax");
		to += 2;
		from += 2;
	}
	if (len & 1)
		COMPAT_MC_MOVE("movb", "%%al");
	return true;
failed:
	return false;
}

/**
 * compat_copy_mc() - copy out of memory that may have failed
 * @to: destination
 * @from: source; does not overlap the destination
 * @len: number of bytes
 *
 * Context: any.
 * Return: true; false: the memory has failed, and a part of the destination may
 * have been written.
 */
static inline bool compat_copy_mc(void *to, const void *from, size_t len)
{
	kasan_check_read(from, len);
	kasan_check_write(to, len);
	if (len >= COMPAT_LONG_COPY) {
		size_t whole = len & ~(sizeof(u64) - 1);

		if (compat_mc_words(to, from, len / sizeof(u64)))
			return false;
		if (len == whole)
			return true;
		to += whole;
		from += whole;
		len -= whole;
	}
	return compat_mc_short(to, from, len);
}
#else
static inline bool compat_copy_mc(void *to, const void *from, size_t len)
{
	compat_copy(to, from, len);
	return true;
}
#endif

/* Copies the last 1, 2, 4 or 8 bytes by a single store. */
static __always_inline void
compat_copy_last(void *to, const void *from, size_t len)
{
	switch (len) {
	case 8:
		WRITE_ONCE(*(u64 *)to, get_unaligned((const u64 *)from));
		break;
	case 4:
		WRITE_ONCE(*(u32 *)to, get_unaligned((const u32 *)from));
		break;
	case 2:
		WRITE_ONCE(*(u16 *)to, get_unaligned((const u16 *)from));
		break;
	default:
		WRITE_ONCE(*(u8 *)to, *(const u8 *)from);
		break;
	}
}

static __always_inline void compat_copy_then(void *to, const void *from,
					     size_t len, size_t last)
{
	if (len)
		compat_copy(to, from, len);
	/*
	 * Pairs with the program's read barrier between polling the last bytes
	 * and reading the others.
	 */
	smp_wmb();
	compat_copy_last(to + len, from + len, last);
}

/*
 * The number of bytes for compat_copy_last() to write: as many as the
 * alignment of the destination's end allows, at most 8 and at most @len.
 */
static inline size_t compat_last_len(const void *to, size_t len)
{
	unsigned long end = (unsigned long)to + len;
	size_t last = min_t(size_t, end & -end, sizeof(u64));

	while (last > len)
		last /= 2;
	return last;
}

static inline void compat_copy_odd(void *to, const void *from, size_t len)
{
	size_t last = compat_last_len(to, len);

	compat_copy_then(to, from, len - last, last);
}

/**
 * compat_copy_in() - copy to memory whose last byte a program may poll
 * @to: destination
 * @from: source; does not overlap the destination
 * @len: number of bytes; not 0
 *
 * The last bytes, up to 8, become visible last and together. memcpy() does not
 * guarantee that order: neither string instructions nor weakly ordered CPUs do.
 * Copies of whole aligned words are the fast case.
 *
 * Context: any. Pairs with a program that reads the last byte first and then,
 * after a read barrier, the others.
 */
static inline void compat_copy_in(void *to, const void *from, size_t len)
{
	if (likely(IS_ALIGNED((unsigned long)to | len, sizeof(u64))))
		compat_copy_then(to, from, len - sizeof(u64), sizeof(u64));
	else
		compat_copy_odd(to, from, len);
}

#ifdef COMPAT_MC_MOVE
static __always_inline bool compat_copy_then_mc(void *to, const void *from,
						size_t len, size_t last)
{
	if (len && !compat_copy_mc(to, from, len))
		return false;
	/* Pairs with the program's read barrier, as in compat_copy_then(). */
	smp_wmb();
	/* @last is 1, 2, 4 or 8, so this is one load and one store. */
	return compat_mc_short(to + len, from + len, last);
}

/**
 * compat_copy_in_mc() - compat_copy_in() out of memory that may have failed
 * @to: destination
 * @from: source; does not overlap the destination
 * @len: number of bytes; not 0
 *
 * Context: any. Pairs as compat_copy_in() does.
 * Return: true; false: the memory has failed, and a part of the destination may
 * have been written, but not its last bytes.
 */
static inline bool compat_copy_in_mc(void *to, const void *from, size_t len)
{
	size_t last;

	if (likely(IS_ALIGNED((unsigned long)to | len, sizeof(u64))))
		return compat_copy_then_mc(to, from, len - sizeof(u64),
					   sizeof(u64));
	last = compat_last_len(to, len);
	return compat_copy_then_mc(to, from, len - last, last);
}
#else
static inline bool compat_copy_in_mc(void *to, const void *from, size_t len)
{
	compat_copy_in(to, from, len);
	return true;
}
#endif

#endif /* RXE_ODP_COMPAT_COPY_H */
