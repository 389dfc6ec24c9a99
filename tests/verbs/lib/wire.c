// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "lib/wire.h"

static const char *const ends[] = { "tc qdisc %s dev veth0 root netem %s",
				    "ip netns exec peer tc qdisc %s dev veth1 root netem %s" };
static bool impaired;

void need_wire(void)
{
	if (!strcmp(options.device, options.peer))
		skip_because("both ends are %s, without a wire between them", options.device);
}

void shell(const char *command, ...)
{
	char line[512];
	va_list args;
	int status;

	va_start(args, command);
	vsnprintf(line, sizeof(line), command, args);
	va_end(args);
	status = system(line);
	if (status)
		fail_msg("%s: exit status %#x", line, status);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void both_ends(const char *verb, const char *netem)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		shell(ends[i], verb, netem);
}
#pragma GCC diagnostic pop

static int repair(void *unused)
{
	(void)unused;
	if (impaired)
		both_ends("delete", "");
	impaired = false;
	return 0;
}

void wire_impair(const char *netem)
{
	need_wire();
	if (!impaired)
		defer(repair, &impaired);
	both_ends("replace", netem);
	impaired = true;
}

void wire_repair(void)
{
	undo(&impaired);
}
