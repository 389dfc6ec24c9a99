// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/system.h"
#include "lib/test.h"

/* The core caches the driver's counters for 10 ms. */
#define LIFESPAN_MS 50

long port_counter_any(const char *device, const char *name)
{
	char path[160];

	sleep_ms(LIFESPAN_MS);
	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/hw_counters/%s", device,
		 name);
	return file_number(path, "");
}

long port_counter(const char *device, const char *name)
{
	long number = port_counter_any(device, name);

	if (number < 0)
		fail_msg("%s: no counter %s", device, name);
	return number;
}

struct parameter {
	char path[128], before[32];
};

static int parameter_restore(void *object)
{
	struct parameter *parameter = object;

	return write_file(parameter->path, parameter->before);
}

static void read_parameter(struct parameter *parameter)
{
	FILE *file = fopen(parameter->path, "r");

	assert_non_null(file);
	if (!fgets(parameter->before, sizeof(parameter->before), file))
		fail_msg("%s is empty", parameter->path);
	fclose(file);
}

void set_parameter(const char *module, const char *name, const char *value)
{
	struct parameter *parameter = scratch(sizeof(*parameter));

	snprintf(parameter->path, sizeof(parameter->path), "/sys/module/%s/parameters/%s", module,
		 name);
	if (access(parameter->path, W_OK))
		skip_because("the driver has no parameter %s", name);
	read_parameter(parameter);
	assert_int_equal(write_file(parameter->path, value), 0);
	defer(parameter_restore, parameter);
}

FILE *mirrors_open(void)
{
	static const char path[] = "/sys/kernel/debug/ib_umem_odp/mirrors";
	FILE *file;

	if (access(path, R_OK) && system("mount -t debugfs none /sys/kernel/debug"))
		skip_because("no debugfs");
	file = fopen(path, "re");
	if (!file)
		skip_because("there is no %s", path);
	return file;
}
