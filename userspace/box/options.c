// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"

#ifndef BOX_VERSION
#define BOX_VERSION "unknown"
#endif

static const char usage[] =
"rdmabox [OPTION]... [--] COMMAND [ARGUMENT]...\n"
"runs a command with an RDMA device (rxe0, with on-demand paging) around it: no root, no module, no image.\n"
"The command has your files, your environment and your terminal, and a kernel of its own.\n"
"\n"
"  --driver ours|stock  the driver of rxe0: rxe-odp's (the default) or the kernel's own\n"
"  --mem SIZE           the box's memory, as in 512M or 4G (default: 2G, or less on a small machine);\n"
"                       only what is used is taken from the machine\n"
"  --cpus N             processors (default: all that rdmabox may use)\n"
"  --mtu N              of the network below rxe0 (default 4200)\n"
"  --root               the command is root in the box; outside, it stays who you are\n"
"  --tmpfs FOLDER       an empty folder in memory over FOLDER\n"
"  --overlay FOLDER     FOLDER as it is, but what is written to it goes to memory\n"
"  --kernel-log FILE    the kernel's log\n"
"  --help, --version\n"
"\n"
"Exit status: the command's (death by a signal is passed on), or\n"
"  123  rdmabox could not do its work\n"
"  125  the box's kernel complained (a warning, an oops, a hang): its log is shown\n"
"  126  the command cannot be run; 127: it was not found\n";

enum {
	OPT_DRIVER = 1,
	OPT_MEM,
	OPT_CPUS,
	OPT_MTU,
	OPT_ROOT,
	OPT_TMPFS,
	OPT_OVERLAY,
	OPT_LOG,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "driver", required_argument, NULL, OPT_DRIVER },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "mtu", required_argument, NULL, OPT_MTU },
	{ "root", no_argument, NULL, OPT_ROOT },
	{ "tmpfs", required_argument, NULL, OPT_TMPFS },
	{ "overlay", required_argument, NULL, OPT_OVERLAY },
	{ "kernel-log", required_argument, NULL, OPT_LOG },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{},
};

static long number(const char *option, const char *text, long least, long most)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || *end || end == text || value < least || value > most)
		die("--%s %s: give a number from %ld to %ld", option, text, least, most);
	return value;
}

static unsigned long long size(const char *text)
{
	static const char units[] = "KMGT";
	unsigned long long value;
	const char *unit;
	char *end;

	value = strtoull(text, &end, 10);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (end == text || !isdigit((unsigned char)*text) || (*end && (!unit || end[1])))
		die("--mem %s: give a size such as 512M or 4G", text);
	if (unit)
		value <<= 10 * (unit - units + 1);
	if (value < MEMORY_LEAST)
		die("--mem %s: a box needs %lluM or more", text, MEMORY_LEAST >> 20);
	return value;
}

static void folder(struct job *job, const char *option, const char *text)
{
	char path[PATH_MAX];

	if (!realpath(text, path))
		die("--%s %s: %s", option, text, strerror(errno));
	job_add(job, option, path);
}

static void option(struct options *options, struct job *job, int which, const char *value)
{
	switch (which) {
	case OPT_DRIVER:
		if (strcmp(value, "ours") && strcmp(value, "stock"))
			die("--driver %s: there are ours and stock", value);
		options->driver = value;
		break;
	case OPT_MEM:
		options->memory = size(value);
		break;
	case OPT_CPUS:
		options->cpus = number("cpus", value, 1, CPUS_MOST);
		break;
	case OPT_MTU:
		options->mtu = number("mtu", value, 1280, 65535);
		break;
	case OPT_ROOT:
		options->root = true;
		break;
	case OPT_TMPFS:
		folder(job, "tmpfs", value);
		break;
	case OPT_OVERLAY:
		folder(job, "overlay", value);
		break;
	case OPT_LOG:
		options->kernel_log = value;
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(fflush(stdout) ? EXIT_TOOL : 0);
	case OPT_VERSION:
		puts("rdmabox " BOX_VERSION);
		exit(fflush(stdout) ? EXIT_TOOL : 0);
	default:
		die("see rdmabox --help");
	}
}

void options_read(struct options *options, struct job *job, int argc, char **argv)
{
	int which;

	*options = (struct options){ .driver = "ours", .mtu = 4200 };
	/* A command's own options are not ours: "+" ends at the first word that is no option. */
	while ((which = getopt_long(argc, argv, "+", long_options, NULL)) != -1)
		option(options, job, which, optarg);
	options->command = argv + optind;
	if (!*options->command)
		die("no command is given; see rdmabox --help");
}
