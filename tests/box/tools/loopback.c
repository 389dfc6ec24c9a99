// SPDX-License-Identifier: GPL-2.0
/*
 * loopback [MESSAGES [MISTAKE]]: sends messages from one queue pair to another of the same device, in memory
 * that is registered on demand, and looks at each byte. A mistake is something for a tool to find. With
 * -DLIBRARY, a library for other languages.
 */
#include <infiniband/verbs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 10000, GID_INDEX = 1 };

struct end {
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	unsigned char *memory;
};

static struct ibv_context *context;
static struct ibv_comp_channel *channel;
static struct ibv_pd *pd;
static struct ibv_cq *cq;
static struct end from, to;
static unsigned char spoiled;
long right;

static void need(int right, const char *what)
{
	if (right)
		return;
	perror(what);
	exit(1);
}

static void device_open(void)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	need(list && *list, "a device");
	context = ibv_open_device(*list);
	need(!!context, "ibv_open_device");
	ibv_free_device_list(list);
	pd = ibv_alloc_pd(context);
	need(!!pd, "ibv_alloc_pd");
	channel = ibv_create_comp_channel(context);
	need(!!channel, "ibv_create_comp_channel");
	cq = ibv_create_cq(context, 4, NULL, channel, 0);
	need(!!cq, "ibv_create_cq");
}

static void device_close(void)
{
	need(!ibv_destroy_cq(cq) && !ibv_destroy_comp_channel(channel) && !ibv_dealloc_pd(pd) &&
	     !ibv_close_device(context), "closing");
}

static void end_open(struct end *end)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	end->memory = calloc(1, SIZE);
	need(!!end->memory, "calloc");
	end->mr = ibv_reg_mr(pd, end->memory, SIZE, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
	need(!!end->mr, "ibv_reg_mr");
	end->qp = ibv_create_qp(pd, &attr);
	need(!!end->qp, "ibv_create_qp");
}

static void end_close(struct end *end)
{
	need(!ibv_destroy_qp(end->qp) && !ibv_dereg_mr(end->mr), "closing");
	free(end->memory);
}

static void end_init(struct end *end)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = 1 };

	need(!ibv_modify_qp(end->qp, &attr,
			    IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS),
	     "to INIT");
}

static void end_connect(struct end *end, const struct end *other)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024, .dest_qp_num = other->qp->qp_num,
		.max_dest_rd_atomic = 1, .min_rnr_timer = 12,
		.ah_attr = { .is_global = 1, .port_num = 1,
			     .grh = { .sgid_index = GID_INDEX, .hop_limit = 1 } },
	};

	need(!ibv_query_gid(context, 1, GID_INDEX, &attr.ah_attr.grh.dgid), "ibv_query_gid");
	need(!ibv_modify_qp(end->qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			    IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER), "to RTR");
	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTS, .timeout = 14, .retry_cnt = 7, .rnr_retry = 7, .max_rd_atomic = 1,
	};
	need(!ibv_modify_qp(end->qp, &attr,
			    IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			    IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC), "to RTS");
}

static void post(void)
{
	struct ibv_sge out = { (uintptr_t)from.memory, SIZE, from.mr->lkey };
	struct ibv_sge in = { (uintptr_t)to.memory, SIZE, to.mr->lkey };
	struct ibv_send_wr send = {
		.sg_list = &out, .num_sge = 1, .opcode = IBV_WR_SEND, .send_flags = IBV_SEND_SIGNALED
	}, *bad_send;
	struct ibv_recv_wr recv = { .sg_list = &in, .num_sge = 1 }, *bad_recv;

	need(!ibv_post_recv(to.qp, &recv, &bad_recv), "ibv_post_recv");
	need(!ibv_post_send(from.qp, &send, &bad_send), "ibv_post_send");
}

/* Sleeps until both completions are there. */
static void finish(void)
{
	struct ibv_wc wc = {};

	for (int n = 0; n < 2;) {
		struct ibv_cq *which;
		void *data;
		int got = ibv_poll_cq(cq, 1, &wc);

		need(got >= 0 && (!got || wc.status == IBV_WC_SUCCESS), "a completion");
		n += got;
		if (got)
			continue;
		need(!ibv_req_notify_cq(cq, 0), "ibv_req_notify_cq");
		got = ibv_poll_cq(cq, 1, &wc);
		n += got;
		if (got)
			continue;
		need(!ibv_get_cq_event(channel, &which, &data), "ibv_get_cq_event");
		ibv_ack_cq_events(cq, 1);
	}
}

void message_check(long number)
{
	for (int i = 0; i < SIZE; i++)
		if (to.memory[i] != (unsigned char)(number + i)) {
			fprintf(stderr, "message %ld: byte %d is wrong\n", number, i);
			return;
		}
	right++;
}

static void message(long number)
{
	for (int i = 0; i < SIZE; i++)
		from.memory[i] = number + i;
	post();
	finish();
	to.memory[7] ^= spoiled;
	message_check(number);
}

/* --- mistakes; volatile, because the compiler finds them or removes them otherwise ----------- */

static void overflow(void)
{
	volatile unsigned char *memory = from.memory;

	memory[SIZE] = 1;
}

static void freed(void)
{
	volatile char *volatile memory = malloc(20);

	free((void *)memory);
	memory[3] = 1;
}

static void uninitialised(void)
{
	int *volatile memory = malloc(sizeof(*memory));

	if (*memory == 12345)
		puts("by chance");
	free(memory);
}

static void leak(void)
{
	char *volatile memory = malloc(4321);

	memory[0] = 1;
	memory = NULL;
}

static void *count_without_lock(void *unused)
{
	for (int i = 0; i < 1000; i++)
		right++;
	return unused;
}

static void race(void)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		need(!pthread_create(&threads[i], NULL, count_without_lock, NULL), "pthread_create");
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void shift(void)
{
	volatile int places = 40, one = 1;

	if (one << places == 3)
		puts("by chance");
}

static void spoil(void)
{
	spoiled = 1;
}

static void crash(void)
{
	*(volatile int *)NULL = 1;
}

/* A debugger or a tracer attaches meanwhile. */
static void waiting(void)
{
	FILE *ready = fopen("ready", "w");

	need(ready && !fclose(ready), "ready");
	while (access("go", F_OK))
		usleep(50000);
}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	{ "overflow", overflow }, { "freed", freed }, { "uninitialised", uninitialised }, { "leak", leak },
	{ "race", race }, { "shift", shift }, { "spoil", spoil }, { "crash", crash },
	{ "waiting", waiting },
};

/* Returns how many messages arrived as they were sent. */
long loopback(long messages, const char *mistake)
{
	right = 0;
	device_open();
	end_open(&from);
	end_open(&to);
	end_init(&from);
	end_init(&to);
	end_connect(&from, &to);
	end_connect(&to, &from);
	for (size_t i = 0; mistake && i < sizeof(mistakes) / sizeof(*mistakes); i++)
		if (!strcmp(mistakes[i].name, mistake))
			mistakes[i].make();
	for (long number = 0; number < messages; number++)
		message(number);
	end_close(&from);
	end_close(&to);
	device_close();
	return right;
}

#ifndef LIBRARY
int main(int argc, char **argv)
{
	long messages = argc > 1 ? atol(argv[1]) : 1;

	loopback(messages, argc > 2 ? argv[2] : NULL);
	printf("%ld messages\n", right);
	return right < messages;
}
#endif
