// SPDX-License-Identifier: GPL-2.0
/* odp-bench: the options, and the sections to run. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct options options = {
	.device = "rxe0", .address = "192.0.2.1", .dir = "/var/tmp", .ms = 500, .cold = 64 * MIB,
};

static const struct section {
	const char *name;
	void (*run)(void);
	const char *what;
	bool no_rdma;
} sections[] = {
	{ .name = "register", .run = bench_register, .what = "registering and deregistering regions of all sizes" },
	{ .name = "objects", .run = bench_objects, .what = "making and destroying regions, queues and the like" },
	{ .name = "warm", .run = bench_warm, .what = "requests of all sizes to memory that is present" },
	{ .name = "cold", .run = bench_cold, .what = "requests to memory that is not present" },
	{ .name = "churn", .run = bench_churn, .what = "requests while pages are dropped again and again" },
	{ .name = "owner", .run = bench_owner, .what = "what regions cost the process that owns the memory" },
	{ .name = "crowd", .run = bench_crowd, .what = "many queue pairs that wait for pages; packets behind a waiting one" },
	{ .name = "tcp", .run = bench_tcp, .what = "the same link without RDMA", .no_rdma = true },
};

/* Appends the text of errno @err, unless @err is 0. */
static void say(int err, const char *format, va_list args)
{
	fflush(stdout);
	fputs("odp-bench: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, "%s%s\n", err ? ": " : "", err ? strerror(err) : "");
}

void die(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(err, format, args);
	va_end(args);
	exit(1);
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(0, format, args);
	va_end(args);
}

static void usage(FILE *to)
{
	fputs("odp-bench [OPTION]... [SECTION]...: without a SECTION, runs all of them\n\n", to);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		fprintf(to, "  %-16s %s\n", sections[i].name, sections[i].what);
	fputs("\n"
	      "  -d, --device D   the requester's RDMA device (rxe0)\n"
	      "  -p, --peer D     the responder's RDMA device (the same)\n"
	      "  -a, --address A  the peer's IPv4 address, for TCP (192.0.2.1)\n"
	      "  -n, --netns N    the network namespace of that address (this one)\n"
	      "  -D, --dir DIR    the folder to make files in (/var/tmp)\n"
	      "  -t, --time MS    how long to measure each case (500)\n"
	      "  -c, --cold MIB   the amount of cold memory (64)\n"
	      "  -r, --request R  section warm: only write, read, send or fetch_add\n"
	      "  -b, --bytes N    section warm: only requests of that size\n"
	      "  -P, --pinned     pinned memory only\n"
	      "  -O, --odp        on-demand memory only\n"
	      "  -j, --json       print a line of JSON for each case\n"
	      "  -h, --help       print this text\n", to);
}

static unsigned long number(const char *text, unsigned long min, unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || n < min || n > max)
		die(0, "%s is not a number from %lu to %lu", text, min, max);
	return n;
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "device", required_argument, NULL, 'd' }, { "peer", required_argument, NULL, 'p' },
		{ "address", required_argument, NULL, 'a' }, { "netns", required_argument, NULL, 'n' },
		{ "dir", required_argument, NULL, 'D' }, { "time", required_argument, NULL, 't' },
		{ "cold", required_argument, NULL, 'c' }, { "request", required_argument, NULL, 'r' },
		{ "bytes", required_argument, NULL, 'b' }, { "pinned", no_argument, NULL, 'P' },
		{ "odp", no_argument, NULL, 'O' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, {},
	};
	int c;

	while ((c = getopt_long(argc, argv, "d:p:a:n:D:t:c:r:b:POjh", names, NULL)) >= 0) {
		switch (c) {
		case 'd': options.device = optarg; break;
		case 'p': options.peer = optarg; break;
		case 'a': options.address = optarg; break;
		case 'n': options.netns = optarg; break;
		case 'D': options.dir = optarg; break;
		case 't': options.ms = number(optarg, 1, 3600000); break;
		case 'c': options.cold = number(optarg, 2, 1 << 20) * MIB; break;
		case 'r': options.request = optarg; break;
		case 'b': options.bytes = number(optarg, 1, 4 * MIB); break;
		case 'P': options.pinned = true; break;
		case 'O': options.odp = true; break;
		case 'j': options.json = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
	if (!options.peer)
		options.peer = options.device;
	if (!options.pinned && !options.odp)
		options.pinned = options.odp = true;
}

static const struct section *section_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (!strcmp(sections[i].name, name))
			return &sections[i];
	}
	die(0, "unknown section %s; see odp-bench --help", name);
}

static void run(const struct section *section)
{
	if (!section->no_rdma && options.odp && !have_odp()) {
		note("%s has no on-demand paging: pinned memory only", options.device);
		options.odp = false;
	}
	section->run();
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	for (int i = optind; i < argc; i++)
		section_find(argv[i]);
	for (int i = optind; i < argc; i++)
		run(section_find(argv[i]));
	for (size_t i = 0; optind == argc && i < ARRAY_SIZE(sections); i++)
		run(&sections[i]);
	return 0;
}
