// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lib/cm.h"
#include "lib/pattern.h"
#include "lib/test.h"
#include "lib/wire.h"

/* --- addresses ----------------------------------------------------------------- */

union cm_address cm_address(const char *text)
{
	union cm_address address = {};

	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
		return address;
	}
	assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
	address.v6.sin6_family = AF_INET6;
	return address;
}

static int forget_address(void *unused)
{
	(void)unused;
	shell("ip -n peer address delete 2001:db8::2/64 dev veth1");
	return 0;
}

union cm_address cm_peer_address(bool v6)
{
	if (!have_wire())
		return cm_address(v6 ? "2001:db8::1" : "192.0.2.1");
	if (!v6)
		return cm_address("192.0.2.2");
	shell("ip -n peer address add 2001:db8::2/64 dev veth1 nodad");
	defer(forget_address, NULL);
	return cm_address("2001:db8::2");
}

/* --- events -------------------------------------------------------------------- */

static bool has_event(struct rdma_event_channel *channel, int ms)
{
	struct pollfd ready = { .fd = channel->fd, .events = POLLIN };

	return poll(&ready, 1, ms) == 1;
}

static const void *private_data(const struct rdma_cm_event *event, uint8_t *len)
{
	bool ud = event->id->qp_type == IBV_QPT_UD;

	*len = ud ? event->param.ud.private_data_len : event->param.conn.private_data_len;
	return ud ? event->param.ud.private_data : event->param.conn.private_data;
}

static struct cm_event take_event(struct rdma_event_channel *channel)
{
	struct rdma_cm_event *event;
	struct cm_event got = {};
	const void *data;
	uint8_t len;

	assert_int_equal(rdma_get_cm_event(channel, &event), 0);
	got.event = *event;
	data = private_data(event, &len);
	memcpy(got.data, data, len);
	assert_int_equal(rdma_ack_cm_event(event), 0);
	return got;
}

struct cm_event cm_next(struct rdma_event_channel *channel)
{
	if (!has_event(channel, PATIENCE))
		fail_msg("no event within %d ms", PATIENCE);
	return take_event(channel);
}

struct cm_event cm_expect(struct rdma_event_channel *channel, enum rdma_cm_event_type type)
{
	struct cm_event got;

	if (!has_event(channel, PATIENCE))
		fail_msg("no event within %d ms, expected: %s", PATIENCE, rdma_event_str(type));
	got = take_event(channel);
	if (got.event.event != type)
		fail_msg("event: %s, status %d; expected: %s", rdma_event_str(got.event.event),
			 got.event.status, rdma_event_str(type));
	return got;
}

void cm_heard(const struct cm_event *event, uint64_t seed, size_t len)
{
	uint8_t got;

	private_data(&event->event, &got);
	/* The rest of the message is filled with zeroes. */
	assert_true(got >= len);
	pattern_check(event->data, len, 0, seed, "the peer's private data");
}

/* --- ids ----------------------------------------------------------------------- */

static int destroy_channel(void *channel)
{
	rdma_destroy_event_channel(channel);
	return 0;
}

static int destroy_qp(void *id)
{
	rdma_destroy_qp(id);
	return 0;
}

static void cm_open(struct cm *cm, const struct rc *rc)
{
	*cm = (struct cm){ .rc = *rc, .channel = rdma_create_event_channel() };
	assert_non_null(cm->channel);
	defer(destroy_channel, cm->channel);
	assert_int_equal(rdma_create_id(cm->channel, &cm->id, cm,
					rc->type == IBV_QPT_UD ? RDMA_PS_UDP : RDMA_PS_TCP), 0);
	defer((undo_fn)rdma_destroy_id, cm->id);
}

/* The device may need a moment to learn of a new address. */
static void cm_bind(struct cm *cm, union cm_address *address)
{
	uint64_t end = now_ms() + PATIENCE;

	while (rdma_bind_addr(cm->id, &address->any)) {
		if (now_ms() > end)
			fail_msg("rdma_bind_addr: %s", strerror(errno));
		sleep_ms(1);
	}
}

void cm_listen_here(struct cm *cm, const struct rc *rc, union cm_address *address)
{
	cm_open(cm, rc);
	cm_bind(cm, address);
	assert_int_equal(rdma_listen(cm->id, 64), 0);
	address->v4.sin_port = rdma_get_src_port(cm->id);
}

void cm_listen(struct cm *cm, const struct rc *rc, union cm_address *address)
{
	int here;

	if (!have_wire()) {
		cm_listen_here(cm, rc, address);
		return;
	}
	here = netns_enter("peer");
	cm_listen_here(cm, rc, address);
	netns_leave(here);
}

static void cm_open_end(struct cm *cm)
{
	struct ibv_qp_init_attr attr;

	end_open_on(&cm->end, cm->id->verbs, &cm->rc);
	attr = end_qp_attr(&cm->end, &cm->rc);
	if (rdma_create_qp(cm->id, cm->end.pd, &attr))
		fail_msg("rdma_create_qp: %s", strerror(errno));
	defer(destroy_qp, cm->id);
	cm->end.qp = cm->id->qp;
}

void cm_resolve(struct cm *cm, const struct rc *rc, union cm_address *address)
{
	cm_open(cm, rc);
	assert_int_equal(rdma_resolve_addr(cm->id, NULL, &address->any, 2000), 0);
	cm_expect(cm->channel, RDMA_CM_EVENT_ADDR_RESOLVED);
	assert_int_equal(rdma_resolve_route(cm->id, 2000), 0);
	cm_expect(cm->channel, RDMA_CM_EVENT_ROUTE_RESOLVED);
	cm_open_end(cm);
}

void cm_take(struct cm *cm, struct cm *listener, const struct cm_event *request)
{
	*cm = (struct cm){ .rc = listener->rc, .channel = listener->channel,
			   .id = request->event.id };
	assert_ptr_equal(request->event.listen_id, listener->id);
	defer((undo_fn)rdma_destroy_id, cm->id);
	cm_open_end(cm);
}

/* --- connecting ---------------------------------------------------------------- */

static struct rdma_conn_param cm_param(const struct cm *cm, const void *data, size_t len)
{
	return (struct rdma_conn_param){
		.private_data = data, .private_data_len = len,
		.responder_resources = cm->rc.rd_atomic, .initiator_depth = cm->rc.rd_atomic,
		.retry_count = 7, .rnr_retry_count = 7,
		.qp_num = cm->end.qp->qp_num,
	};
}

void cm_connect(struct cm *cm, uint64_t seed, size_t len)
{
	struct rdma_conn_param param = cm_param(cm, scratch(len + 1), len);

	pattern_fill((void *)param.private_data, len, 0, seed);
	if (rdma_connect(cm->id, &param))
		fail_msg("rdma_connect: %s", strerror(errno));
}

void cm_accept(struct cm *cm, uint64_t seed, size_t len)
{
	struct rdma_conn_param param = cm_param(cm, scratch(len + 1), len);

	pattern_fill((void *)param.private_data, len, 0, seed);
	if (rdma_accept(cm->id, &param))
		fail_msg("rdma_accept: %s", strerror(errno));
}

void cm_join(struct cm *a, struct cm *b, struct cm *listener)
{
	struct cm_event request;

	cm_connect(a, 1, 0);
	request = cm_expect(listener->channel, RDMA_CM_EVENT_CONNECT_REQUEST);
	cm_take(b, listener, &request);
	cm_accept(b, 2, 0);
	cm_expect(a->channel, RDMA_CM_EVENT_ESTABLISHED);
	cm_expect(b->channel, RDMA_CM_EVENT_ESTABLISHED);
}

struct pair cm_pair(const struct cm *a, const struct cm *b)
{
	return (struct pair){ .rc = a->rc, .a = a->end, .b = b->end };
}
