// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "box.h"
#include "spec.h"

/* Oftener than this, nothing else would run. */
#define LEAST_NS	1000000
#define SLOWEST_NS	1000000000	/* the driver's own limit */

static const char *const kinds[] = { "pageout", "moved", "merged", "split", "slow" };

static bool known(const char *word)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(word, kinds[i]))
			return true;
	return false;
}

void pressure_spec(struct job *job, const char *text)
{
	struct spec spec;
	long long ns;

	spec_start(&spec, "pressure", text);
	while (spec_next(&spec)) {
		if (!known(spec.key))
			spec_wrong(&spec, "the words are pageout, moved, merged, split, slow");
		ns = spec_time(&spec);
		if (ns < LEAST_NS)
			spec_wrong(&spec, "give 1ms or more");
		if (!strcmp(spec.key, "slow") && ns > SLOWEST_NS)
			spec_wrong(&spec, "give 1s or less");
		job_addf(job, spec.key, "%lld", ns / 1000000);
	}
}
