// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"

#define LINES	50

/* The Makefile takes the pattern from tools/vm.d/klog.sh. */
static const char bad[] =
#include "klog.h"
;

static char *log_read(int log)
{
	struct stat stat;
	char *text;
	ssize_t n;

	if (fstat(log, &stat))
		return NULL;
	text = malloc(stat.st_size + 1);
	if (!text)
		return NULL;
	n = pread(log, text, stat.st_size, 0);
	text[n < 0 ? 0 : n] = 0;
	return text;
}

static void print_lines(const char *text, int lines)
{
	const char *end = text;

	while (lines-- && *end)
		end = strchrnul(end, '\n') + 1;
	if (write(2, text, strnlen(text, end - text)) < 0)
		return;
}

bool log_complains(int log)
{
	char *text = log_read(log), *line, *end;
	bool found = false;
	regex_t pattern;

	if (!text || regcomp(&pattern, bad, REG_EXTENDED | REG_NOSUB))
		return false;
	for (line = text; !found && *line; line = end + 1) {
		end = strchrnul(line, '\n');
		if (!*end)
			break;
		*end = 0;
		found = !regexec(&pattern, line, 0, NULL, 0);
		*end = '\n';
		if (found) {
			say("the kernel of the box complained:");
			print_lines(line, LINES);
		}
	}
	regfree(&pattern);
	free(text);
	return found;
}

void log_tail(int log)
{
	char *text = log_read(log), *from;
	int lines = 0;

	if (!text)
		return;
	for (from = text + strlen(text); from > text && lines <= 10; from--)
		lines += from[-1] == '\n';
	print_lines(lines > 10 ? from + 1 : from, 10);
	free(text);
}
