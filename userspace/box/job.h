/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A job is what the launcher asks of init: "key=value" strings, each with a NUL at its end. A key may
 * occur more than once, as "arg" does. userspace/box/job.c lists the keys.
 */
#ifndef BOX_JOB_H
#define BOX_JOB_H

#include <stddef.h>

enum { NODES_MOST = 64 };

struct job {
	char *text;
	size_t len, room;
};

void job_add(struct job *job, const char *key, const char *value);
void job_addf(struct job *job, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The value after @after of the same key, or the first one if @after is NULL; NULL if there is none */
const char *job_next(const struct job *job, const char *key, const char *after);
const char *job_get(const struct job *job, const char *key, const char *otherwise);
long job_number(const struct job *job, const char *key, long otherwise);

/* All values of a key, with NULL at the end; the caller frees the array */
char **job_list(const struct job *job, const char *key);

#endif
