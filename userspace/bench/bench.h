/* SPDX-License-Identifier: GPL-2.0 */
/* odp-bench: what RDMA costs with on-demand and with pinned memory. */
#ifndef ODP_BENCH_H
#define ODP_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <infiniband/verbs.h>

#define KIB 1024ul
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define PAGE 4096ul
#define HUGE (2 * MIB)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct options {
	const char *device;	/* the requester's */
	const char *peer;	/* the responder's device; may be the same */
	const char *address;	/* of the peer's netdev, for TCP */
	const char *netns;	/* the namespace of @address, or NULL */
	const char *dir;	/* folder for files */
	unsigned int ms;	/* how long a case is measured */
	size_t cold;		/* bytes of cold memory */
	const char *request;	/* the only kind in section warm, or NULL for all */
	size_t bytes;		/* the only size in section warm, or 0 for all */
	bool json, pinned, odp;
};

extern struct options options;

/* Prints the message, and the text of errno @err unless @err is 0. Exits with status 1. */
void __attribute__((noreturn, format(printf, 2, 3))) die(int err, const char *format, ...);
void __attribute__((format(printf, 1, 2))) note(const char *format, ...);

/* clock.c: nanoseconds since an arbitrary time. The main thread must call this first. */
uint64_t now_ns(void);

/* --- out.c: one row for each case, as text in columns or as a line of JSON ---------- */

void row_begin(const char *section);
void row_text(const char *key, const char *value);
/* The cell stays empty if @value is NAN. */
void row_number(const char *key, double value, int digits);
void row_end(void);

/* --- samples.c: many measured times -------------------------------------------------- */

struct samples {
	uint64_t *ns;
	size_t n, room;
};

void samples_open(struct samples *samples, size_t room);
/* Ignores the sample if there is no room. */
void samples_add(struct samples *samples, uint64_t ns);
/* Is there room for one more, and time before @until (ns)? The first few ignore @until. */
bool samples_more(const struct samples *samples, uint64_t until);
/* The value in ns that @permille of the samples do not exceed. */
uint64_t samples_at(struct samples *samples, unsigned int permille);
void samples_close(struct samples *samples);

/* --- cpu.c: processor time of the whole machine; the processor of a thread ------------- */

struct cpu_time {
	double user, system, softirq;	/* s */
};

struct cpu_time cpu_now(void);
struct cpu_time cpu_since(struct cpu_time then);
/* Bind the calling thread to its current processor; let it run on any processor again. */
void cpu_stay(void);
void cpu_roam(void);

/* --- memory.c ----------------------------------------------------------------------------- */

enum memory_kind {
	MEMORY_ANON,		/* in pages of 4 KiB */
	MEMORY_HELD,		/* the same, touched by the CPU but not by the device */
	MEMORY_THP,
	MEMORY_SHARED,
	MEMORY_FILE,		/* in the page cache */
	MEMORY_DISK,		/* a file that is not in the page cache */
	MEMORY_SWAP,
	MEMORY_KINDS,
};

extern const char *const memory_names[];

struct memory {
	uint8_t *p;
	size_t len;
	int fd;			/* of the file, or -1 */
	struct ibv_mr *mr;
};

/* Maps memory in the cold state of its kind. Returns false if this machine cannot. */
bool memory_map(struct memory *memory, enum memory_kind kind, size_t len);
void memory_register(struct memory *memory, struct ibv_pd *pd, bool odp);
void memory_deregister(struct memory *memory);
void memory_unmap(struct memory *memory);
/* Anonymous memory with all pages present; memory_warm() also registers it. */
void memory_touched(struct memory *memory, size_t len);
void memory_warm(struct memory *memory, struct ibv_pd *pd, size_t len, bool odp);
/* Makes the memory cold again. Returns false if the machine cannot. */
bool memory_chill(struct memory *memory, enum memory_kind kind);

/* --- link.c: two devices, and queue pairs between them --------------------------------- */

struct side {
	const char *name;
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_comp_channel *events;
	struct ibv_cq *cq;
	union ibv_gid gid;
	uint8_t gid_index;
};

struct lane {
	struct ibv_qp *a, *b;
	struct ibv_send_wr *first, *last;	/* the list to be posted next */
};

struct link {
	struct side a, b;
	struct lane *lanes;
	unsigned int nr_lanes, depth;
};

/* @depth: requests in flight on a lane. */
void link_open(struct link *link, unsigned int lanes, unsigned int depth);
/* Replaces the queue pairs of the link by new ones. */
void link_renew(struct link *link);
void link_close(struct link *link);
/* Do both devices support on-demand paging? */
bool have_odp(void);

/* A counter of a device's port; -1 if the driver has no such counter. */
long counter(const char *device, const char *name);
/* Packets that both devices retransmitted; -1 if no driver counts them. */
long sent_again(void);

/* --- stream.c: the same request over and over --------------------------------------------- */

struct stream {
	struct link *link;
	enum ibv_wr_opcode opcode;
	size_t bytes;
	struct memory *local, *remote;
	bool events;		/* sleep while waiting for completions */
	bool lists;		/* post all ready requests by one call */
	uint64_t until_ns;	/* post no requests after this time, */
	uint64_t requests;	/* nor more than this number, unless 0 */
	struct samples samples;	/* time of one request, from post to completion */
	uint64_t done;		/* requests */
	uint64_t ns;		/* from the first post to the last completion */
};

/* Runs the whole stream, with link->depth requests in flight on each lane. */
void stream_run(struct stream *stream);
double stream_mib_s(const struct stream *stream);

/* --- the sections --------------------------------------------------------------------------- */

void bench_register(void);
void bench_objects(void);
void bench_warm(void);
void bench_cold(void);
void bench_churn(void);
void bench_owner(void);
void bench_crowd(void);
void bench_tcp(void);

#endif
