/* SPDX-License-Identifier: GPL-2.0 */
/* Streams of numbered messages, each checked byte for byte, with many under way. */
#ifndef VERBS_STREAM_H
#define VERBS_STREAM_H

#include "lib/rig.h"

/* Opens a connection with pinned memory at a, and at b memory on demand where the device can. */
void streams_open(struct rig *rig);

struct stream {
	const char *name;
	void (*run)(struct rig *rig, unsigned int messages);
	bool data;		/* sends full packets of data */
};

extern const struct stream streams[];
extern const size_t n_streams;

#endif
