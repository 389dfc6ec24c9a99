// SPDX-License-Identifier: GPL-2.0
/* Ways: wire */
/* CI: debug */
/*
 * A wire that loses, duplicates, reorders and damages packets: everything arrives once, in order and
 * unchanged, and atomics are executed exactly once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/stream.h"
#include "lib/test.h"
#include "lib/wire.h"

struct trouble {
	const char *name, *netem;
};

static const struct trouble troubles[] = {
	{ "nothing", "limit 10000" },
	{ "loss", "loss 8%" },
	{ "bursts of loss", "loss 6% 60%" },
	{ "duplication", "duplicate 25%" },
	{ "reordering", "delay 2ms reorder 30% 50%" },
	{ "jitter", "delay 2ms 2ms" },
	{ "damage", "corrupt 5%" },
	{ "all of it", "delay 1ms reorder 20% loss 3% duplicate 5% corrupt 2%" },
};

/* One test: a wire and the traffic over it. */
struct trial {
	const struct trouble *trouble;
	const struct stream *stream;
	char name[64];
};

static void test_trial(void **state)
{
	const struct trial *trial = *state;
	struct rig rig;

	need_wire();
	streams_open(&rig);
	wire_impair(trial->trouble->netem);
	trial->stream->run(&rig, options.full ? 400 : 100);
}

int main(int argc, char **argv)
{
	size_t n = ARRAY_SIZE(troubles) * n_streams;
	struct CMUnitTest *tests = calloc(n, sizeof(*tests));
	struct trial *trials = calloc(n, sizeof(*trials));

	parse_options(argc, argv);
	for (size_t i = 0; i < n; i++) {
		struct trial *trial = &trials[i];

		trial->trouble = &troubles[i / n_streams];
		trial->stream = &streams[i % n_streams];
		snprintf(trial->name, sizeof(trial->name), "%s, %s", trial->trouble->name,
			 trial->stream->name);
		tests[i] = (struct CMUnitTest){
			.name = trial->name, .test_func = test_trial, .initial_state = trial,
		};
	}
	return run_group("order", tests, n);
}
