/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the launcher, the box's kernel (tools/vm.d/linux/0003-um-box.patch) and its init say to each other.
 *
 * Channel 0 is between the launcher and init: each message is a struct box_message. The others are the
 * command's input and output: BYTES_* messages between the launcher and the kernel, which has files for them.
 */
#ifndef BOX_PROTO_H
#define BOX_PROTO_H

#include <stdint.h>

/* The channels: the command's descriptor n is channel n + 1, or a pseudo-terminal on channel 1. */
enum { CHANNEL_CONTROL, CHANNEL_IN, CHANNEL_OUT, CHANNEL_ERR, CHANNELS };

/* Where a box with nodes keeps the program rdmabox and the nodes' sockets */
#define BOX_PLACE	"/dev/rdmabox"

/* What the command gets as a descriptor: the letters of the job's "stdio" */
enum {
	STDIO_PIPE = 'p',	/* a channel that looks like a pipe */
	STDIO_TTY = 't',	/* a channel that looks like a terminal */
	STDIO_PTY = 's',	/* the pseudo-terminal */
	STDIO_SAME = 'o',	/* the same as the standard output */
	STDIO_NULL = 'n',	/* /dev/null */
	STDIO_CLOSED = 'c',
};

/* The statuses that are not the command's */
enum { EXIT_TOOL = 123, EXIT_KERNEL = 125, EXIT_NOT_RUNNABLE = 126, EXIT_NOT_FOUND = 127 };

/* Messages on channel 0, to init */
enum {
	TELL_SIGNAL = 's',	/* value: the signal; more: whether the process group gets it */
	TELL_SIZE = 'w',	/* value: rows, more: columns */
	TELL_CONTINUE = 'c',
};

/* From init */
enum {
	SAY_STARTED = 'R',	/* the command is about to run */
	SAY_ENDED = 'x',	/* value: its status, as wait() gives it */
	SAY_STOPPED = 'z',	/* value: the signal that stopped it */
	SAY_REPORT = 't',	/* text: a piece of --report's */
	SAY_FAILED = 'f',	/* value: rdmabox's status; text: why the command cannot run */
};

struct box_message {
	int32_t type;
	int32_t value, more;
	char text[244];
};

/* Messages on the other channels, a byte and what the comment says. To the launcher: */
enum {
	BYTES_READ = 'R',	/* u32: read at most so many bytes; answered when there are some */
	BYTES_TRY = 'N',	/* the same; answered at once */
	BYTES_POLL = 'P',	/* can something be read? Answered at once, and again when it can */
	BYTES_WRITE = 'W',	/* bytes */
	BYTES_IOCTL = 'I',	/* u32 command, bytes */
	BYTES_CLOSE = 'C',	/* u32: 1 if nobody reads any more, 2 if nobody writes */
};

/* From the launcher: */
enum {
	BYTES_DATA = 'D',	/* bytes; none: the end of the file */
	BYTES_AGAIN = 'B',	/* nothing to read now */
	BYTES_READY = 'p',	/* u32: 1 if something can be read */
	BYTES_ERROR = 'E',	/* u32 errno: reading failed */
	BYTES_WRITTEN = 'A',	/* u32 bytes, u32 errno */
	BYTES_IOCTL_DONE = 'i',	/* u32 errno, bytes */
};

#define BYTES_MOST	32768u

#endif
