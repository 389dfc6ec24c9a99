/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of a box's init, the lower ones first. */
#ifndef BOX_INIT_H
#define BOX_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../job.h"
#include "../proto.h"

/* fail.c: ends the box with a reason, as rdmabox's own failure unless another status is given */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void fail_as(int status, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
void say(int type, int value);
extern int control;	/* the channel to the launcher */

/* files.c: mounts */
void mount_boot(void);
void mount_root(const struct job *job);
void write_file(const char *path, const char *text);	/* nothing happens where the file cannot be opened */

/* netlink.c: one request and its answer at a time */
struct request {
	struct {
		uint32_t len;
		uint16_t type, flags;
		uint32_t seq, port;
	} head;
	char body[1000];
};

void request_start(struct request *request, int type, int flags, const void *head, size_t len);
void *request_add(struct request *request, int type, const void *data, size_t len);
void request_add_string(struct request *request, int type, const char *text);
void request_end(struct request *request, const void *nest);
int netlink_call(int protocol, struct request *request);	/* an errno, or 0 */

/* node.c: a network with an RDMA device, in the network namespace that calls */
void node_up(const struct job *job, int node);

/* pump.c: copies between the pseudo-terminal and its channel, in processes of their own */
struct pump {
	int master;
	pid_t in, out;
};

void pump_start(struct pump *pump, int master);
void pump_finish(struct pump *pump);	/* after everything that was written to the terminal */

/* command.c: runs the job's command, talks to the launcher, never returns */
void command_keep(const struct job *job) __attribute__((noreturn));

#endif
