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
void say_report(const char *text, size_t len);	/* what the launcher prints at the end */
extern int control;	/* the channel to the launcher, or to the rdmabox on that asks */
extern bool fail_exits;	/* after a failure, because somebody else goes on */

/* files.c: mounts */
void mount_boot(void);
void mount_root(const struct job *job);
void mount_node(void);
void mount_on(const char *source, const char *dir, const char *type, unsigned long flags, const char *data);
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
void call(int protocol, struct request *request, const char *what);	/* fails with @what */
void link_up(const char *name);
void node_up(const struct job *job, int node, const char *port);	/* @port: of the switch, or NULL */

/* wire.c: what the wires do to packets */
void wire_node(const struct job *job, int node);	/* to what the node sends, in its network */
void wire_port(const struct job *job, int node);	/* to what it gets, in the switch's network */

/* take.c: what the command has of its caller; take_job() executes it */
void take_stdio(const int stdio[3]);
void take_job(const struct job *job) __attribute__((noreturn));

/* place.c: the folder of a box with nodes, with the program rdmabox, the shims and the nodes' sockets */
#define PLACE BOX_PLACE
void place_make(void);
void place_hosts(int nodes);	/* their names, in front of the host's own /etc/hosts */

/* serve.c: a node's server, which runs commands for rdmabox on */
int serve_open(int node);
void serve(int fd) __attribute__((noreturn));

/* nodes.c: the nodes of a box, or the box's only network */
void nodes_up(const struct job *job);
void nodes_enter(int node);	/* this process becomes one of the node's */
int nodes_count(void);		/* 0: there are none, only the box's own network */
pid_t nodes_process(int node);	/* a process of the node */

/* helpers.c: processes beside the command. When it has ended, each gets a SIGTERM and may finish its work. */
void helper_start(void (*work)(const struct job *job), const struct job *job);
void helper_wait(void);		/* a helper waits until it must finish */
bool helper_pause(long ms);	/* the same for at most @ms; true: it must finish */
void helpers_finish(void);

/* pump.c: copies between the pseudo-terminal and its channel, in processes of their own */
struct pump {
	int master;
	pid_t in, out;
};

void pump_start(struct pump *pump, int master);
void pump_finish(struct pump *pump);	/* after everything that was written to the terminal */

/* processes.c: calls @act for each process that is not the box's own */
void processes_each(void (*act)(pid_t pid));

/* swap.c */
void swap_on(void);

/* pressure.c: --pressure, by helpers */
void pressure_take(const struct job *job);	/* what processes inherit */
void pressure_start(const struct job *job);

/* capture.c: --capture, by a helper */
void capture_open(const struct job *job);	/* before the host's root becomes the root */
void capture_start(const struct job *job);

/* report.c: --report, by a helper */
void report_start(const struct job *job);

/* tool.c: what the program does where it is not process 1 */
int tool(int argc, char **argv);

/* on.c: rdmabox on, and what the shims of remote shells are made of */
int on_run(int node, char **args, const char *cwd, const int stdio[3]);
int on_node(const char *name);	/* its number, or 0 */
int on_nodes(void);
int on_main(int argc, char **argv);

/* shell.c: ssh and rsh */
int shell_main(int argc, char **argv);

/* command.c: runs the job's command, talks to the launcher, never returns */
void command_keep(const struct job *job) __attribute__((noreturn));

#endif
