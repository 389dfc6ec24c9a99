// SPDX-License-Identifier: GPL-2.0
/*
 * --report: the devices' counters at the end, summed over the nodes; and the most that was seen of what comes
 * and goes, which a helper looks at every few milliseconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init.h"
#include "latency.h"
#include "regions.h"

enum { SAMPLE_MS = 10, PAGE = 4096 };

static struct regions most;
static uint64_t most_resident;

/* --- what there is to report ------------------------------------------------ */

static uint64_t counter_of(int node, const char *name)
{
	char path[200], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root/sys/class/infiniband/rxe0/ports/1/hw_counters/%s",
		 nodes_process(node), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtoull(text, NULL, 10);
}

static uint64_t counter(const char *name)
{
	uint64_t sum = 0;

	for (int node = 1; node <= (nodes_count() ?: 1); node++)
		sum += counter_of(node, name);
	return sum;
}

/* A line of it is a process on a device; its seventh column is what is resident, in pages. */
static uint64_t resident(void)
{
	FILE *file = fopen("/sys/kernel/debug/ib_umem_odp/mirrors", "re");
	unsigned long pages, sum = 0;
	char line[400];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*d %*u %*d %*d %*u %lu", &pages) == 1)
			sum += pages;
	if (file)
		fclose(file);
	return (uint64_t)sum * PAGE;
}

static void keep_most(uint64_t *kept, uint64_t now)
{
	if (now > *kept)
		*kept = now;
}

static void sample(void)
{
	struct regions now;

	regions_sum(&now);
	keep_most(&most.on_demand, now.on_demand);
	keep_most(&most.pinned, now.pinned);
	keep_most(&most.implicit, now.implicit);
	keep_most(&most_resident, resident());
	latency_take();
}

/* --- how it looks ------------------------------------------------------------- */

struct figure {
	const char *name, *words, *unit;
	uint64_t value;
};

static void print_json(FILE *out, const struct figure *figure, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s\"%s\": %llu", i ? ", " : "{", figure[i].name,
			(unsigned long long)figure[i].value);
	fputs("}\n", out);
}

static void print_text(FILE *out, const struct figure *figure, size_t n)
{
	fputs("rdmabox: report\n", out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "  %-44s %12llu%s%s\n", figure[i].words, (unsigned long long)figure[i].value,
			*figure[i].unit ? " " : "", figure[i].unit);
}

static void print(bool json)
{
	const struct figure figures[] = {
		{ "page_faults", "page faults of the device", "", counter("page_faults_handled") },
		{ "page_fault_pages", "pages that they brought", "", counter("page_faults") },
		{ "page_fault_us", "time that they took together", "us", counter("page_fault_us") },
		{ "page_fault_ns_median", "a fault, median", "ns", latency_part(0.5) },
		{ "page_fault_ns_99", "a fault, 99 of 100 not longer than", "ns", latency_part(0.99) },
		{ "page_fault_ns_most", "a fault, the longest", "ns", latency_most() },
		{ "prefetched_pages", "pages prefetched", "", counter("page_prefetch") },
		{ "invalidations", "invalidations", "", counter("page_invalidations_handled") },
		{ "invalidated_pages", "pages invalidated", "", counter("page_invalidations") },
		{ "retransmissions", "retransmissions", "", counter("completer_retry_err") },
		{ "timeouts", "timeouts", "", counter("timeout_retry_err") },
		{ "rnr_naks_sent", "RNR NAKs sent", "", counter("send_rnr_err") },
		{ "rnr_naks_sent_for_faults", "of them for a page fault", "", counter("page_fault_rnr") },
		{ "rnr_naks_received", "RNR NAKs received", "", counter("rcvd_rnr_err") },
		{ "packets_sent", "packets sent", "", counter("sent_pkts") },
		{ "pinned_bytes", "pinned regions, the most at a time", "bytes", most.pinned },
		{ "on_demand_bytes", "what would have been pinned, the most", "bytes", most.on_demand },
		{ "implicit_regions", "regions of a whole address space, the most", "", most.implicit },
		{ "resident_bytes", "resident of on-demand regions, the most", "bytes", most_resident },
	};
	size_t len = 0, n = sizeof(figures) / sizeof(*figures);
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	if (json)
		print_json(out, figures, n);
	else
		print_text(out, figures, n);
	fclose(out);
	say_report(text, len);
	free(text);
}

static void work(const struct job *job)
{
	regions_open();
	latency_open();
	do {
		sample();
	} while (!helper_pause(SAMPLE_MS));
	sample();
	print(!strcmp(job_get(job, "report", "text"), "json"));
}

void report_start(const struct job *job)
{
	if (job_get(job, "report", NULL))
		helper_start(work, job);
}
