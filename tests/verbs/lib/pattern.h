/* SPDX-License-Identifier: GPL-2.0 */
/* Data in which every byte depends on its position: a misplaced byte is a wrong byte. */
#ifndef VERBS_PATTERN_H
#define VERBS_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* Writes the bytes @offset..@offset+@len of the endless stream @seed. */
void pattern_fill(void *to, size_t len, uint64_t offset, uint64_t seed);

/* Fails the test at the first difference between @got and @want, and prints its position. */
void same_bytes(const void *got, const void *want, size_t len, const char *what);

/*
 * Waits, at most PATIENCE, for @got to become @want. Do not use memcmp() on bytes that change meanwhile:
 * after it has found a difference it may look again, find none, and stop.
 */
void wait_same(const void *got, const void *want, size_t len);

/* Fails the test if the memory @at does not hold those bytes of the stream. */
void pattern_check(const void *at, size_t len, uint64_t offset, uint64_t seed, const char *what);

uint64_t mix64(uint64_t x);

#endif
