// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "spec.h"

void spec_start(struct spec *spec, const char *option, const char *text)
{
	*spec = (struct spec){ .option = option, .rest = strdup(text) };
	if (!spec->rest)
		die("no memory");
	if (!*text)
		die("--%s: nothing is given; see rdmabox --help", option);
}

void spec_wrong(const struct spec *spec, const char *why)
{
	if (spec->value)
		die("--%s: %s=%s: %s", spec->option, spec->key, spec->value, why);
	die("--%s: %s: %s", spec->option, spec->key, why);
}

bool spec_next(struct spec *spec)
{
	spec->key = strsep(&spec->rest, ",");
	if (!spec->key)
		return false;
	spec->value = strchr(spec->key, '=');
	if (spec->value)
		*spec->value++ = 0;
	return true;
}

struct unit {
	const char *name;
	double factor;
};

/* A number of 0 or more with one of the units, the last of which has the factor 0 */
static double measure(const struct spec *spec, const struct unit *units, double most, const char *why)
{
	double value;
	char *end;

	if (!spec->value || !strchr("0123456789.", *spec->value))
		spec_wrong(spec, why);
	errno = 0;
	value = strtod(spec->value, &end);
	for (; units->factor && strcmp(units->name, end); units++)
		;
	value *= units->factor;
	if (errno || end == spec->value || !units->factor || !(value >= 0 && value <= most))
		spec_wrong(spec, why);
	return value;
}

long long spec_time(const struct spec *spec)
{
	static const struct unit units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, {} };

	return measure(spec, units, 60e9, "give a time such as 2ms or 50us, 60s at most");
}

unsigned int spec_chance(const struct spec *spec)
{
	static const struct unit units[] = { { "%", 0.01 }, {} };

	return measure(spec, units, 1, "give a part such as 1% or 0.5%") * ~0u;
}

unsigned long long spec_rate(const struct spec *spec)
{
	static const struct unit units[] = { { "kbit", 125 }, { "mbit", 125e3 }, { "gbit", 125e6 }, {} };
	unsigned long long rate = measure(spec, units, 1e12, "give a rate such as 1gbit, 10mbit or 500kbit");

	if (!rate)
		spec_wrong(spec, "a wire without any rate passes nothing");
	return rate;
}

long spec_count(const struct spec *spec)
{
	static const struct unit units[] = { { "", 1 }, {} };
	const char *why = "give a number of packets such as 100";
	double value = measure(spec, units, 1e6, why);

	if (value < 1 || value != (long)value)
		spec_wrong(spec, why);
	return value;
}
