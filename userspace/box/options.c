// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "spec.h"

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
"  --nodes N            N nodes, node1 to nodeN, each with a device of its own; the command runs on node1\n"
"  --wire SPEC          what the network between the nodes does to packets: loss=1%,delay=2ms,jitter=1ms,\n"
"                       rate=1gbit,queue=100,reorder=5%,duplicate=1%,corrupt=1%; node2:loss=1% for what one\n"
"                       node sends and gets; may be given again\n"
"  --pressure SPEC      trouble for memory: pageout=10ms (so often), moved=, merged=, split=;\n"
"                       slow=5ms: each page fault of the device takes so long at least\n"
"  --capture FILE       the packets on all wires between the nodes, for Wireshark (pcapng)\n"
"  --report[=json]      at the end: page faults, retransmissions, what would have been pinned\n"
"  --kernel-log FILE    the kernel's log\n"
"  --help, --version\n"
"\n"
"Inside of a box with --nodes: rdmabox on NODE... -- COMMAND runs a command on nodes, and so do ssh and mpirun.\n"
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
	OPT_NODES,
	OPT_WIRE,
	OPT_PRESSURE,
	OPT_CAPTURE,
	OPT_REPORT,
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
	{ "nodes", required_argument, NULL, OPT_NODES },
	{ "wire", required_argument, NULL, OPT_WIRE },
	{ "pressure", required_argument, NULL, OPT_PRESSURE },
	{ "capture", required_argument, NULL, OPT_CAPTURE },
	{ "report", optional_argument, NULL, OPT_REPORT },
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

/* An absolute path: process 1 of the box opens it. */
static void capture(struct job *job, const char *path)
{
	char folder[PATH_MAX], whole[PATH_MAX + NAME_MAX + 2];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	char *copy = strdup(path), *name = strdup(path);

	if (fd < 0 || !copy || !name || !realpath(dirname(copy), folder))
		die("--capture %s: %s", path, strerror(errno));
	close(fd);
	snprintf(whole, sizeof(whole), "%s/%s", strcmp(folder, "/") ? folder : "", basename(name));
	job_add(job, "capture", whole);
	free(copy);
	free(name);
}

static void report(struct job *job, const char *how)
{
	if (how && strcmp(how, "json") && strcmp(how, "text"))
		die("--report=%s: there are text and json", how);
	job_add(job, "report", how ?: "text");
}

static bool option_of_nodes(struct options *options, struct job *job, int which, const char *value)
{
	switch (which) {
	case OPT_NODES:
		options->nodes = number("nodes", value, 1, NODES_MOST);
		break;
	case OPT_WIRE:
		wire_spec(job, value);
		break;
	case OPT_PRESSURE:
		pressure_spec(job, value);
		break;
	case OPT_CAPTURE:
		options->capture = value;
		break;
	case OPT_REPORT:
		report(job, value);
		break;
	default:
		return false;
	}
	return true;
}

static void option(struct options *options, struct job *job, int which, const char *value)
{
	if (option_of_nodes(options, job, which, value))
		return;
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

/* Refuses options that contradict each other. */
static void options_check(const struct options *options, struct job *job)
{
	if (options->nodes < 2 && (job_get(job, "wire", NULL) || options->capture))
		die("--%s: a box without nodes has no wire: give --nodes 2 or more",
		    options->capture ? "capture" : "wire");
	for (const char *wire = NULL; (wire = job_next(job, "wire", wire));)
		if (atoi(wire) > options->nodes)
			die("--wire: node%d: there are nodes 1 to %d", atoi(wire), options->nodes);
	if (job_get(job, "slow", NULL) && strcmp(options->driver, "ours"))
		die("--pressure: slow: the kernel's own driver cannot: leave out --driver stock");
	if (!strcmp(*options->command, "on"))
		die("rdmabox on works inside of a box: rdmabox --nodes 2 sh -c 'rdmabox on node2 -- hostname'");
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
	options_check(options, job);
	if (options->nodes)
		job_addf(job, "nodes", "%d", options->nodes);
	if (options->capture)
		capture(job, options->capture);
}
