// SPDX-License-Identifier: GPL-2.0
/* Other processes: children that share the pages, owners that die. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/scene.h"
#include "kit/sys.h"
#include "lib/pattern.h"
#include "lib/test.h"

static void after_fork(struct scene *s)
{
	uint8_t state = s->m->kind->state & (PRESENT | WRITABLE);
	uint8_t mask = PRESENT | WRITABLE;

	if (!(s->m->traits & SHARED))
		state &= ~WRITABLE;
	/* The kernel announces the copy of huge pages as if it removed them. */
	if (s->m->traits & HUGETLB) {
		mask = WRITABLE;
		state = 0;
	}
	scene_states(s, 0, s->m->length, mask, state, "after fork");
}

static void child_writes(void *arg)
{
	struct scene *s = arg;

	pattern_fill(s->m->at + s->lo, s->hi - s->lo, s->lo, 2);
}

static void run_fork_child_writes(struct scene *s)
{
	int child = child_start(child_writes, s);

	assert_int_equal(child_wait(child), 0);
	after_fork(s);
	if (s->m->traits & SHARED)
		pattern_fill(s->m->want + s->lo, s->hi - s->lo, s->lo, 2);
	scene_reads(s, 0, s->m->length, "after the child has written");
	scene_cpu_sees(s, 0, s->m->length, "after the child has written");
}

static void run_fork_parent_writes(struct scene *s)
{
	char *was = scratch(s->m->length);
	int child = child_waits();

	memcpy(was, s->m->want, s->m->length);
	after_fork(s);
	if (s->m->traits & WRITE)
		scene_writes(s, s->lo, s->hi, 2);
	scene_cpu_sees(s, 0, s->m->length, "the parent's view");
	process_sees(child, s->m->at, s->m->traits & SHARED ? s->m->want : was, s->m->length);
}

/* Reports of a region's owner that is going to die. */
struct owner {
	struct scene *s;
	struct region r;
	int tell;
	const char *bytes;
};

/* Assertions do not work in a child: errors show in its reports. */
static void own_and_wait(void *arg)
{
	struct owner *owner = arg;
	struct memory *m = owner->s->m;
	struct outcome end = {};

	if (region_try(&owner->r, owner->s->r.fd, (uintptr_t)m->at, m->length, ODP_TEST_WRITABLE))
		return;
	if (m->traits & WRITE)
		end = region_write(&owner->r, 0, owner->bytes, m->length, ODP_TEST_FAULTING);
	else if (m->traits & READABLE)
		end = region_read(&owner->r, 0, (char *)owner->bytes, m->length, ODP_TEST_FAULTING);
	if (end.error || write(owner->tell, &owner->r, sizeof(owner->r)) < 0)
		return;
	for (;;)
		pause();
}

static void owner_is_dead(struct owner *owner)
{
	size_t pages = owner->s->m->length / PAGE;

	states_are(&owner->r, 0, pages, 0xff, 0, "after the process has exited");
	assert_int_equal(region_stats(&owner->r).leaves, 0);
	read_ends(&owner->r, 100, PAGE, 0, -ESRCH);
	write_ends(&owner->r, 100, PAGE, 0, -ESRCH);
	region_put(&owner->r);
}

static void run_exit(struct scene *s)
{
	char *bytes = scratch(s->m->length);
	struct owner owner = { .s = s, .bytes = bytes };
	int child;

	pattern_fill(bytes, s->m->length, 0, 2);
	child = child_start_with_region(own_and_wait, &owner, &owner.tell, &owner.r);
	if (s->m->traits & READABLE)
		states_are(&owner.r, 0, s->m->length / PAGE, PRESENT, PRESENT, "before the exit");
	kill(child, SIGKILL);
	assert_true(WIFSIGNALED(child_wait(child)));
	owner_is_dead(&owner);
	if (s->m->traits & SHARED)
		memcpy(s->m->want, bytes, s->m->length);
}

const struct event process_events[] = {
	{ .name = "fork, child writes", .run = run_fork_child_writes, .need = WRITE },
	{ .name = "fork, parent writes", .run = run_fork_parent_writes, .need = READABLE },
	{ .name = "exit", .run = run_exit },
	{ 0 }
};
