// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/system.h"
#include "lib/test.h"

/* The core reads the driver's counters anew after 10 ms. */
#define LIFESPAN_MS 50

static long number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	long number;

	if (!file)
		fail_msg("%s: not there", path);
	assert_int_equal(fscanf(file, "%ld", &number), 1);
	fclose(file);
	return number;
}

long port_counter(const char *device, const char *name)
{
	char path[160];

	sleep_ms(LIFESPAN_MS);
	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/hw_counters/%s", device,
		 name);
	return number_in(path);
}

struct parameter {
	char path[128], before[32];
};

static int parameter_restore(void *object)
{
	struct parameter *parameter = object;

	return write_file(parameter->path, parameter->before);
}

void set_parameter(const char *module, const char *name, const char *value)
{
	struct parameter *parameter = scratch(sizeof(*parameter));

	snprintf(parameter->path, sizeof(parameter->path), "/sys/module/%s/parameters/%s", module,
		 name);
	if (access(parameter->path, W_OK))
		skip_because("the driver has no parameter %s", name);
	snprintf(parameter->before, sizeof(parameter->before), "%ld", number_in(parameter->path));
	assert_int_equal(write_file(parameter->path, value), 0);
	defer(parameter_restore, parameter);
}
