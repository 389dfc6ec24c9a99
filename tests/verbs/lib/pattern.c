// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "lib/pattern.h"
#include "lib/test.h"

uint64_t mix64(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

void pattern_fill(void *to, size_t len, uint64_t offset, uint64_t seed)
{
	uint8_t *out = to;
	uint64_t end = offset + len;

	while (offset < end) {
		uint64_t word = mix64(offset / 8 + mix64(seed + 1));
		size_t skip = offset % 8;
		size_t n = 8 - skip < end - offset ? 8 - skip : end - offset;

		memcpy(out, (uint8_t *)&word + skip, n);
		out += n;
		offset += n;
	}
}

void same_bytes(const void *got, const void *want, size_t len, const char *what)
{
	const uint8_t *g = got, *w = want;
	size_t first = 0, wrong = 0;

	if (!memcmp(got, want, len))
		return;
	for (size_t i = len; i-- > 0;) {
		if (g[i] != w[i]) {
			first = i;
			wrong++;
		}
	}
	fail_msg("%s: %zu of %zu bytes wrong, the first at %zu: %#x, not %#x",
		 what, wrong, len, first, g[first], w[first]);
}

void wait_same(const void *got, const void *want, size_t len)
{
	const volatile uint8_t *g = got;
	const uint8_t *w = want;
	uint64_t end = now_ms() + PATIENCE;

	for (size_t i = 0; i < len; i++) {
		while (g[i] != w[i] && now_ms() < end)
			sleep_ms(1);
	}
}

void pattern_check(const void *at, size_t len, uint64_t offset, uint64_t seed, const char *what)
{
	void *want = scratch(len);

	pattern_fill(want, len, offset, seed);
	same_bytes(at, want, len, what);
	undo(want);
}
