// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/attack.h"
#include "lib/system.h"
#include "lib/wire.h"

void flush(struct attack *attack)
{
	struct frame *list[QUEUED];

	for (int i = 0; i < attack->n_frames; i++)
		list[i] = &attack->frames[i];
	frames_send(attack->link, list, attack->n_frames);
	attack->n_frames = 0;
}

void queue(struct attack *attack, const struct frame *frame)
{
	struct frame *to = &attack->frames[attack->n_frames++];

	memcpy(to->vnet, frame->vnet, sizeof(to->vnet));
	memcpy(to->bytes, frame->bytes, frame->len);
	to->len = frame->len;
	attack->sent++;
	if (attack->n_frames == QUEUED)
		flush(attack);
}

/* Comes from an address that nobody has or, without a wire, from the device's own address. */
static void path_open(struct attack *attack, struct roce_path *path, bool v6,
		      const uint8_t macs[2][6])
{
	const char *own = v6 ? "2001:db8::1" : "192.0.2.1", *other = v6 ? "2001:db8::66" : "192.0.2.66";

	*path = (struct roce_path){ .v6 = v6 };
	inet_pton(v6 ? AF_INET6 : AF_INET, attack->loop ? own : other, path->src);
	inet_pton(v6 ? AF_INET6 : AF_INET, own, path->dst);
	memcpy(path->smac, macs[0], 6);
	memcpy(path->dmac, macs[1], 6);
}

static union ibv_gid gid_of(const uint8_t *address, bool v6)
{
	union ibv_gid gid = { .raw = { [10] = 0xff, [11] = 0xff } };

	memcpy(gid.raw + (v6 ? 0 : 12), address, v6 ? 16 : 4);
	return gid;
}

static uint8_t gid_index(struct ibv_context *ctx, const union ibv_gid *gid)
{
	struct ibv_gid_entry entry;

	for (int i = 0; i < 64; i++) {
		if (!ibv_query_gid_ex(ctx, 1, i, &entry, 0) &&
		    entry.gid_type == IBV_GID_TYPE_ROCE_V2 &&
		    !memcmp(entry.gid.raw, gid->raw, sizeof(gid->raw)))
			return i;
	}
	fail_msg("no GID for the device's own address");
	return 0;
}

void connect_target(struct target *target, uint32_t psn)
{
	struct ibv_qp *qp = target->end.qp;

	target->rc.psn = target->psn = psn;
	target->rest = 0;
	target->lent = false;
	target->n_requests = 0;
	qp_to(qp, IBV_QPS_RESET);
	qp_init(qp, &target->rc);
	qp_rtr(qp, &target->end, &target->rc, &target->remote, NOBODY);
	qp_rts(qp, &target->rc);
}

static void target_open(struct attack *attack, int i, const struct end *end,
			const uint8_t macs[2][6])
{
	static const uint8_t timeouts[] = { 0, 5, 9 };
	struct target *target = &attack->targets[i];
	struct rc rc = rc_default();
	union ibv_gid own;

	if (i >= RELIABLE)
		rc.type = i % 4 < 2 ? IBV_QPT_UC : IBV_QPT_UD;
	path_open(attack, &target->path, i % 2, macs);
	rc.mtu = i % 3 + IBV_MTU_256;
	rc.timeout = timeouts[i % ARRAY_SIZE(timeouts)];
	rc.rnr_retry = i % 2 ? 7 : 1;
	if (rc.type == IBV_QPT_RC)
		rc.access |= IBV_ACCESS_FLUSH_GLOBAL;
	target->rc = rc;
	target->end = *end;
	own = gid_of(target->path.dst, i % 2);
	target->remote = gid_of(target->path.src, i % 2);
	target->end.gid = own;
	target->end.gid_index = gid_index(end->ctx, &own);
	target->end.qp = end_qp(&target->end, &rc);
	target->window = ibv_alloc_mw(end->pd, IBV_MW_TYPE_2);
	assert_non_null(target->window);
	defer((undo_fn)ibv_dealloc_mw, target->window);
}

static int no_neighbours(void *unused)
{
	(void)unused;
	shell("ip neigh del 192.0.2.66 dev veth0; ip neigh del 2001:db8::66 dev veth0");
	return 0;
}

static int no_accept_local(void *unused)
{
	(void)unused;
	return write_file("/proc/sys/net/ipv4/conf/lo/accept_local", "0");
}

/* Finds or makes the path to the device: from the other end of veth, or from lo. */
static void link_open(struct attack *attack, uint8_t macs[2][6])
{
	char line[32] = "";
	FILE *file;

	attack->loop = !have_wire();
	if (attack->loop) {
		memset(macs, 0, 12);
		attack->link = frame_socket(NULL, "lo", macs[0]);
		assert_int_equal(write_file("/proc/sys/net/ipv4/conf/lo/accept_local", "1"), 0);
		defer(no_accept_local, attack);
		return;
	}
	attack->link = frame_socket("peer", "veth1", macs[0]);
	file = fopen("/sys/class/net/veth0/address", "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	assert_int_equal(sscanf(line, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &macs[1][0], &macs[1][1],
				&macs[1][2], &macs[1][3], &macs[1][4], &macs[1][5]), 6);
	for (int v6 = 0; v6 < 2; v6++)
		shell("ip neigh replace %s lladdr %02x:%02x:%02x:%02x:%02x:%02x dev veth0 nud permanent",
		      v6 ? "2001:db8::66" : "192.0.2.66", macs[0][0], macs[0][1], macs[0][2],
		      macs[0][3], macs[0][4], macs[0][5]);
	defer(no_neighbours, attack);
}

static void zones_open(struct attack *attack, const struct end *end)
{
	int odp = odp_access(end->ctx);
	int all = ALL_ACCESS | IBV_ACCESS_FLUSH_GLOBAL;
	struct zone dead = zone_make(end->pd, ALL_ACCESS, true);

	attack->dead_key = dead.mr->rkey;
	undo(dead.mr);
	attack->zones[OPEN] = zone_make(end->pd, all | IBV_ACCESS_MW_BIND, true);
	attack->zones[DEMAND] = zone_make(end->pd, all | odp, true);
	attack->zones[LOCAL] = zone_make(end->pd, IBV_ACCESS_LOCAL_WRITE | odp, true);
	attack->zones[READONLY] = zone_make(end->pd, IBV_ACCESS_REMOTE_READ, false);
	attack->zones[CLOSED] = zone_make(end->pd, IBV_ACCESS_LOCAL_WRITE, false);
}

struct attack *attack_open(void)
{
	struct attack *attack = scratch(sizeof(*attack));
	struct rc rc = rc_default();
	uint8_t macs[2][6];
	struct end end;

	memset(attack, 0, sizeof(*attack));
	attack->dice.seed = options.seed;
	rc.cqe = 4096;
	end_open(&end, options.device, &rc);
	assert_int_equal(fcntl(end.ctx->async_fd, F_SETFL, O_NONBLOCK), 0);
	link_open(attack, macs);
	zones_open(attack, &end);
	for (int i = 0; i < TARGETS; i++)
		target_open(attack, i, &end, (const uint8_t (*)[6])macs);
	return attack;
}
