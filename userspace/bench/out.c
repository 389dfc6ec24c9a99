// SPDX-License-Identifier: GPL-2.0
/* Rows: in columns under a heading, or as JSON. Keys and texts are constants; no escapes needed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define CELLS 24
#define CELL 24

static struct {
	const char *section;
	char last[CELLS * CELL];	/* section and heading of the previous row */
	char keys[CELLS][CELL], values[CELLS][CELL];
	bool text[CELLS];
	int n;
} row;

void row_begin(const char *section)
{
	row.section = section;
	row.n = 0;
}

static void cell(const char *key, const char *value, bool text)
{
	if (row.n == CELLS)
		die(0, "%s has too many columns", row.section);
	snprintf(row.keys[row.n], CELL, "%s", key);
	snprintf(row.values[row.n], CELL, "%s", value);
	row.text[row.n++] = text;
}

void row_text(const char *key, const char *value)
{
	cell(key, value, true);
}

void row_number(const char *key, double value, int digits)
{
	char text[CELL];

	snprintf(text, sizeof(text), "%.*f", digits, value);
	cell(key, isnan(value) ? "" : text, false);
}

static void print_json(void)
{
	printf("{\"section\": \"%s\"", row.section);
	for (int i = 0; i < row.n; i++) {
		const char *quote = row.text[i] ? "\"" : "";

		printf(", \"%s\": %s%s%s", row.keys[i], quote,
		       row.text[i] || *row.values[i] ? row.values[i] : "null", quote);
	}
	puts("}");
}

static void print_cells(char cells[CELLS][CELL])
{
	for (int i = 0; i < row.n; i++) {
		int width = strlen(row.keys[i]) > 8 ? strlen(row.keys[i]) : 8;

		printf(row.text[i] ? "%-*s  " : "%*s  ", width + 2 * row.text[i], cells[i]);
	}
	putchar('\n');
}

static void print_heading(void)
{
	char heading[sizeof(row.last)];
	size_t at = snprintf(heading, sizeof(heading), "%s", row.section);

	for (int i = 0; i < row.n; i++)
		at += snprintf(heading + at, sizeof(heading) - at, " %s", row.keys[i]);
	if (!strcmp(heading, row.last))
		return;
	memcpy(row.last, heading, sizeof(heading));
	printf("\n%s\n", row.section);
	print_cells(row.keys);
}

void row_end(void)
{
	if (options.json) {
		print_json();
	} else {
		print_heading();
		print_cells(row.values);
	}
	fflush(stdout);
}
