/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of rdmabox's launcher, the lower ones first. */
#ifndef BOX_H
#define BOX_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "job.h"
#include "proto.h"

#define CPUS_MOST	64	/* CONFIG_NR_CPUS */
#define MEMORY_LEAST	(128ull << 20)
#define MEMORY_BESIDE	(64ull << 20)	/* of the kernel's program and processes */

/* say.c */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* options.c */
struct options {
	const char *driver, *kernel_log, *capture;
	unsigned long long memory;
	int cpus, mtu, nodes;
	bool root;
	char **command;
};

void options_read(struct options *options, struct job *job, int argc, char **argv);

/* caller.c: what the command inherits from the caller. First what rdmabox then changes for itself. */
void caller_add_limits(struct job *job);
void caller_add(struct job *job, const struct options *options);

/* needs.c: what this machine lacks is said with what to do about it */
bool needs_seccomp(void);	/* false: only ptrace works here */
/* Raises our limits; the command has the caller's, in the box. */
void needs_check(struct options *options);

/* image.c: the kernel and the initial RAM disk, which are part of this program (image.S) */
extern const char image_kernel_start[], image_kernel_end[];
extern const char image_initrd_start[], image_initrd_end[];
int image_kernel(void);
int image_initrd(const struct job *job);

/* terminal.c */
bool terminal_is_ours(int fd);	/* in the foreground */
void terminal_raw(int fd);
void terminal_restore(void);

/* stream.c: a channel for bytes, with the descriptors that the command would have had */
struct stream {
	int channel;		/* our end of the channel's socket */
	int in, out;		/* -1: none */
	int writer;		/* out, or the same file opened again so that a write does not wait */
	bool waits;		/* the reader: it may get wanted bytes when there are some */
	uint32_t wanted;
	bool watched;		/* it wants to know when there are some */
	bool terminal;
	unsigned char *data;	/* being written */
	size_t len, done;
};

void stream_open(struct stream *stream, int channel, int in, int out);
int stream_polls(struct stream *stream, struct pollfd *polls, bool may_read);	/* fills in 3 */
void stream_step(struct stream *stream, const struct pollfd *polls);
void stream_drain(struct stream *stream);

/* kernel.c: the box's kernel, a process */
struct kernel {
	pid_t pid;
	int log;
	int channels[CHANNELS];	/* our ends */
};

void kernel_start(struct kernel *kernel, const struct options *options, const struct job *job);
void kernel_kill(struct kernel *kernel);

/* log.c: what the kernel's log says */
bool log_complains(int log);	/* prints it */
void log_tail(int log);

/* run.c: returns rdmabox's exit status, or the negative number of the signal that killed the command */
int run(struct kernel *kernel, const struct job *job);

#endif
