/* SPDX-License-Identifier: GPL-2.0 */
/* A transfer between memory under test at one end of a connection and pinned memory at the other. */
#ifndef VERBS_TRANSFER_H
#define VERBS_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/mem.h"
#include "lib/rc.h"

/* The memory under test: target or source of the peer's WRITE or READ, of SENDs, or of its own READ. */
enum role { WRITTEN, READ_FROM, SENT_FROM, READ_INTO, RECEIVED_INTO };

#define TRANSFER_SGES 30	/* elements of a request, at most */

struct transfer {
	enum role role;
	struct pair pair;	/* pair.a posts the request */
	struct buf tested, other;
};

/* Returns whether the memory under test receives the bytes. */
bool role_is_target(enum role role);

/* Opens the connection; skips the test if the device lacks on-demand paging. */
void transfer_connect(struct transfer *transfer, enum role role, const struct rc *rc);
/* The protection domain for the memory under test, which the caller makes. */
struct ibv_pd *transfer_pd(const struct transfer *transfer);
/* Makes the other end's memory, @len bytes of the stream 4. */
void transfer_make_other(struct transfer *transfer, size_t len);

/* Posts @n elements of both memories: @len bytes at @offset, and the same again @step bytes further. */
void transfer_post(struct transfer *transfer, size_t offset, size_t len, int n, size_t step);
/* Waits for the successful completions of transfer_post(). */
void transfer_expect(struct transfer *transfer);

#endif
