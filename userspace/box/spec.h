/* SPDX-License-Identifier: GPL-2.0 */
/* The words of --wire and --pressure: KEY=VALUE,KEY=VALUE... rdmabox names a wrong word, and ends. */
#ifndef BOX_SPEC_H
#define BOX_SPEC_H

#include <stdbool.h>

#include "job.h"

struct spec {
	const char *option;	/* without --, for messages */
	char *rest;
	char *key, *value;	/* of the word that spec_next() found */
};

void spec_start(struct spec *spec, const char *option, const char *text);
bool spec_next(struct spec *spec);
long long spec_time(const struct spec *spec);		/* ns, of 2ms or 50us */
unsigned int spec_chance(const struct spec *spec);	/* of 2^32 - 1, of 1% or 0.5% */
unsigned long long spec_rate(const struct spec *spec);	/* bytes in a second, of 1gbit or 10mbit */
long spec_count(const struct spec *spec);
void spec_wrong(const struct spec *spec, const char *why) __attribute__((noreturn));

/* They write what they have understood into the job, as numbers. */
void wire_spec(struct job *job, const char *text);
void pressure_spec(struct job *job, const char *text);

#endif
