// SPDX-License-Identifier: GPL-2.0
/*
 * Keys of a job:
 *   arg, env              the command's arguments and environment, in order
 *   cwd, umask            its working folder and umask (octal)
 *   uid, gid, group       its user, group and other groups
 *   limit                 "number soft hard", of each resource
 *   ignored               a signal that the caller ignores
 *   stdio                 three letters: proto.h's STDIO_*
 *   termios, size         the terminal's settings in hexadecimal; "rows columns"
 *   host                  the host's name
 *   cpuinfo               the host's /proc/cpuinfo of one processor, for each processor
 *   driver, mtu           ours or stock; of the network
 *   tmpfs, overlay        a folder
 *   nodes                 how many
 *   wire                  of one node, or of all: init/wire.c
 *   pageout, moved, merged, split, slow   milliseconds
 *   capture               a file's absolute path
 *   report                text or json
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

void job_add(struct job *job, const char *key, const char *value)
{
	size_t need = strlen(key) + 1 + strlen(value) + 1;

	if (job->len + need > job->room) {
		job->room = 2 * (job->len + need);
		job->text = realloc(job->text, job->room);
		if (!job->text)
			abort();
	}
	job->len += sprintf(job->text + job->len, "%s=%s", key, value) + 1;
}

void job_addf(struct job *job, const char *key, const char *format, ...)
{
	va_list args;
	char *value;

	va_start(args, format);
	if (vasprintf(&value, format, args) < 0)
		abort();
	va_end(args);
	job_add(job, key, value);
	free(value);
}

const char *job_next(const struct job *job, const char *key, const char *after)
{
	const char *at = after ? after + strlen(after) + 1 : job->text;
	size_t len = strlen(key);

	for (; at < job->text + job->len; at += strlen(at) + 1)
		if (!strncmp(at, key, len) && at[len] == '=')
			return at + len + 1;
	return NULL;
}

const char *job_get(const struct job *job, const char *key, const char *otherwise)
{
	return job_next(job, key, NULL) ?: otherwise;
}

long job_number(const struct job *job, const char *key, long otherwise)
{
	const char *value = job_get(job, key, NULL);

	return value ? strtol(value, NULL, 0) : otherwise;
}

char **job_list(const struct job *job, const char *key)
{
	const char *value = NULL;
	char **list = NULL;
	size_t n = 0;

	do {
		value = job_next(job, key, value);
		list = realloc(list, (n + 1) * sizeof(*list));
		if (!list)
			abort();
		list[n++] = (char *)value;
	} while (value);
	return list;
}
