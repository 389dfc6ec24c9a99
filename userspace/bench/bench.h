/* SPDX-License-Identifier: GPL-2.0 */
/* odp-bench: what RDMA through on-demand and through pinned memory costs. */
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
	const char *device;	/* that asks */
	const char *peer;	/* that answers; may be the same */
	const char *address;	/* of the peer's link, for TCP */
	const char *netns;	/* where that is, or NULL */
	const char *dir;	/* for files */
	unsigned int ms;	/* that a case is measured for */
	size_t cold;		/* bytes of cold memory */
	const char *request;	/* the only one for warm memory, or NULL */
	size_t bytes;		/* the only size there, or 0 */
	bool json, pinned, odp;
};

extern struct options options;

/* Prints what does not work, with errno's text if @err is not 0, and ends the program. */
void __attribute__((noreturn, format(printf, 2, 3))) die(int err, const char *format, ...);
void __attribute__((format(printf, 1, 2))) note(const char *format, ...);

/* clock.c: since some moment; asked first by the main thread. */
uint64_t now_ns(void);

/* --- out.c: a row for each case, as text in columns or as a line of JSON ------------ */

void row_begin(const char *section);
void row_text(const char *key, const char *value);
/* Left empty where @value is not a number (NAN). */
void row_number(const char *key, double value, int digits);
void row_end(void);

/* --- samples.c: how long something took, many times ---------------------------------- */

struct samples {
	uint64_t *ns;
	size_t n, room;
};

void samples_open(struct samples *samples, size_t room);
/* What does not find room is left out. */
void samples_add(struct samples *samples, uint64_t ns);
/* Is there room, and time until @until (ns), for one more? Some are taken whatever it takes. */
bool samples_more(const struct samples *samples, uint64_t until);
/* The value that @permille of them do not exceed, in ns. */
uint64_t samples_at(struct samples *samples, unsigned int permille);
void samples_close(struct samples *samples);

/* --- cpu.c: processor time of all the machine; on which one a thread is ---------------- */

struct cpu_time {
	double user, system, softirq;	/* s */
};

struct cpu_time cpu_now(void);
struct cpu_time cpu_since(struct cpu_time then);
/* From now on, the calling thread stays where it is; it may go where it wants again. */
void cpu_stay(void);
void cpu_roam(void);

/* --- memory.c ----------------------------------------------------------------------------- */

enum memory_kind {
	MEMORY_ANON,		/* in pages of 4 KiB */
	MEMORY_HELD,		/* the same, cold to the device alone */
	MEMORY_THP,
	MEMORY_SHARED,
	MEMORY_FILE,		/* in the page cache */
	MEMORY_DISK,		/* a file that is not */
	MEMORY_SWAP,
	MEMORY_KINDS,
};

extern const char *const memory_names[];

struct memory {
	uint8_t *p;
	size_t len;
	int fd;			/* of a file, or -1 */
	struct ibv_mr *mr;
};

/* Memory that the processor has not touched; or of which the kernel has what the kind says. */
bool memory_map(struct memory *memory, enum memory_kind kind, size_t len);
void memory_register(struct memory *memory, struct ibv_pd *pd, bool odp);
void memory_deregister(struct memory *memory);
void memory_unmap(struct memory *memory);
/* Anonymous memory, all of it there; registered, too. */
void memory_touched(struct memory *memory, size_t len);
void memory_warm(struct memory *memory, struct ibv_pd *pd, size_t len, bool odp);
/* Makes it cold again; false where the machine cannot. */
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
	struct ibv_send_wr *first, *last;	/* of a list that is going to be posted */
};

struct link {
	struct side a, b;
	struct lane *lanes;
	unsigned int nr_lanes, depth;
};

/* @depth: requests in flight on a lane. */
void link_open(struct link *link, unsigned int lanes, unsigned int depth);
/* Other queue pairs in the place of its own. */
void link_renew(struct link *link);
void link_close(struct link *link);
/* Can both devices page on demand? */
bool have_odp(void);

/* A counter of a device's port; -1 where the driver does not count it. */
long counter(const char *device, const char *name);
/* Packets that were sent once more, of both devices; -1 where nobody counts. */
long sent_again(void);

/* --- stream.c: the same request over and over --------------------------------------------- */

struct stream {
	struct link *link;
	enum ibv_wr_opcode opcode;
	size_t bytes;
	struct memory *local, *remote;
	bool events;		/* wait for completions asleep */
	bool lists;		/* post with one call what is ready to be posted */
	uint64_t until_ns;	/* no new requests after this time, */
	uint64_t requests;	/* nor after so many of them, if not 0 */
	struct samples samples;	/* of one request, from post to completion */
	uint64_t done;		/* requests */
	uint64_t ns;		/* from the first post to the last completion */
};

/* Runs to its end with link->depth requests in flight on each lane. */
void stream_run(struct stream *stream);
double stream_mib_s(const struct stream *stream);

/* --- the sections --------------------------------------------------------------------------- */

void bench_register(void);
void bench_warm(void);
void bench_cold(void);
void bench_churn(void);
void bench_owner(void);
void bench_crowd(void);
void bench_tcp(void);

#endif
