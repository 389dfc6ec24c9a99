// SPDX-License-Identifier: GPL-2.0
/*
 * Workers stamp the pages of a region and read the stamps back, in kernel threads and in
 * softirq, until the race ends. odp_test.h says what they may find.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <rdma/ib_umem_odp.h>

#include "internal.h"

#define RACE_THREADS_MAX 16
#define SOFTIRQ_BATCH 16
#define FAULT_PAGES_MAX 16
#define NO_PAGE U32_MAX
#define PAGE_WORDS (PAGE_SIZE / sizeof(u64))

struct worker {
	struct race *race;
	struct task_struct *task;	/* NULL: the worker of the timer */
	struct rnd_state random;
	u32 index;
	u64 reads, writes, atomics, misses, faults;
	u64 *page;
};

struct race {
	struct region *region;
	struct ib_umem_odp *umem;
	struct timer_list timer;
	u32 pages;
	u32 missing;	/* a page that softirq missed, for a thread to fault in; racy */
	u32 *versions;	/* one for each page, written only by the page's worker */
	bool stopping;
	spinlock_t error_lock;	/* protects errors and error */
	u64 errors;
	char error[96];
	u32 nr_workers;	/* the last one is the worker of the timer */
	struct worker workers[];
};

static u32 worker_random(struct worker *worker, u32 below)
{
	return prandom_u32_state(&worker->random) % below;
}

static u64 page_offset_of(u32 page)
{
	return (u64)page << PAGE_SHIFT;
}

/* Page 0 holds the counter and has no writer. */
static u32 own_page(struct worker *worker)
{
	u32 workers = worker->race->nr_workers;
	u32 rows = (worker->race->pages - 1) / workers;

	return 1 + worker_random(worker, rows) * workers + worker->index;
}

static void race_error(struct worker *worker, u32 page, u32 word, u64 found)
{
	struct race *race = worker->race;

	spin_lock_bh(&race->error_lock);
	if (!race->errors++)
		scnprintf(race->error, sizeof(race->error),
			  "worker %u: page %u word %u is %#llx, version %u was written",
			  worker->index, page, word, found, race->versions[page]);
	spin_unlock_bh(&race->error_lock);
}

static bool worker_missed(struct worker *worker, u32 page)
{
	worker->misses++;
	if (!worker->task)
		WRITE_ONCE(worker->race->missing, page);
	return false;
}

/* A copy within a page is complete or was not begun. */
static bool worker_copied(struct worker *worker, u32 page, size_t n)
{
	if (n == PAGE_SIZE)
		return true;
	if (n)
		race_error(worker, page, n / sizeof(u64), n);
	return worker_missed(worker, page);
}

static bool worker_write(struct worker *worker, u32 page)
{
	struct race *race = worker->race;
	u32 version = race->versions[page] + 1;
	u32 i;

	for (i = 0; i < PAGE_WORDS; i++)
		worker->page[i] = ODP_TEST_STAMP(page, version);
	if (!worker_copied(worker, page, umem_odp_write(race->umem, page_offset_of(page),
							worker->page, PAGE_SIZE)))
		return false;
	race->versions[page] = version;
	worker->writes++;
	return true;
}

static bool word_is_right(struct race *race, u32 page, u64 word, bool own)
{
	u32 version = READ_ONCE(race->versions[page]);

	if (own && !ODP_TEST_VOLATILE(page))
		return word == (version ? ODP_TEST_STAMP(page, version) : 0);
	if (!word)
		return true;
	return word == ODP_TEST_STAMP(page, word) &&
	       (!own || ODP_TEST_VERSION(word) <= version);
}

static bool worker_read(struct worker *worker, u32 page, bool own)
{
	struct race *race = worker->race;
	u32 i;

	if (!worker_copied(worker, page, umem_odp_read(race->umem, page_offset_of(page),
						       worker->page, PAGE_SIZE)))
		return false;
	worker->reads++;
	for (i = 0; i < PAGE_WORDS; i++) {
		if (!word_is_right(race, page, worker->page[i], own)) {
			race_error(worker, page, i, worker->page[i]);
			break;
		}
	}
	return true;
}

static bool worker_count(struct worker *worker)
{
	u64 old;

	if (umem_odp_atomic(worker->race->umem, 0, UMEM_ODP_FETCH_ADD, 1, 0, &old))
		return worker_missed(worker, 0);
	worker->atomics++;
	return true;
}

/* Returns the page that was missing, or NO_PAGE. */
static u32 worker_step(struct worker *worker)
{
	u32 page = own_page(worker);
	bool done;

	switch (worker_random(worker, 8)) {
	case 0:
		done = worker_count(worker);
		page = done ? page : 0;
		break;
	case 1:
		page = 1 + worker_random(worker, worker->race->pages - 1);
		done = worker_read(worker, page, false);
		break;
	case 2 ... 4:
		done = worker_read(worker, page, true);
		break;
	default:
		done = worker_write(worker, page);
	}
	return done ? NO_PAGE : page;
}

static void worker_fault(struct worker *worker, u32 page)
{
	struct race *race = worker->race;
	u32 pages = min(1 + worker_random(worker, FAULT_PAGES_MAX), race->pages - page);
	unsigned int flags = worker_random(worker, 4) ? UMEM_ODP_FAULT_WRITE : 0;

	/* The fault may fail: the page may be unmapped or protected now. */
	umem_odp_fault(race->umem, page_offset_of(page), page_offset_of(pages), flags);
	worker->faults++;
}

static int worker_thread(void *data)
{
	struct worker *worker = data;
	struct race *race = worker->race;

	/* Copies are short, and the program's calls that race with them are long. */
	set_user_nice(current, MAX_NICE / 2);
	while (!kthread_should_stop()) {
		u32 missed = worker_step(worker);

		if (missed == NO_PAGE)
			missed = xchg(&race->missing, NO_PAGE);
		if (missed != NO_PAGE)
			worker_fault(worker, missed);
		cond_resched();
	}
	return 0;
}

static void worker_softirq(struct timer_list *timer)
{
	struct race *race = container_of(timer, struct race, timer);
	u32 i;

	for (i = 0; i < SOFTIRQ_BATCH; i++)
		worker_step(&race->workers[race->nr_workers - 1]);
	if (!READ_ONCE(race->stopping))
		mod_timer(timer, jiffies + 1);
}

static void race_free(struct race *race)
{
	u32 i;

	for (i = 0; i < race->nr_workers; i++)
		kfree(race->workers[i].page);
	kvfree(race->versions);
	kref_put(&race->region->ref, region_release);
	kfree(race);
}

static void race_halt(struct race *race)
{
	u32 i;

	WRITE_ONCE(race->stopping, true);
	timer_delete_sync(&race->timer);
	for (i = 0; i < race->nr_workers; i++) {
		if (race->workers[i].task)
			kthread_stop(race->workers[i].task);
	}
}

static int worker_init(struct race *race, u32 index)
{
	struct worker *worker = &race->workers[index];

	worker->race = race;
	worker->index = index;
	prandom_seed_state(&worker->random, index + 1);
	worker->page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	return worker->page ? 0 : -ENOMEM;
}

static int race_init(struct race *race)
{
	u32 i;

	race->versions = kvcalloc(race->pages, sizeof(u32), GFP_KERNEL);
	if (!race->versions)
		return -ENOMEM;
	for (i = 0; i < race->nr_workers; i++) {
		if (worker_init(race, i))
			return -ENOMEM;
	}
	return 0;
}

static int race_run(struct race *race)
{
	struct task_struct *task;
	u32 i;

	for (i = 0; i < race->nr_workers - 1; i++) {
		task = kthread_run(worker_thread, &race->workers[i], "odp_test/%u", i);
		if (IS_ERR(task))
			return PTR_ERR(task);
		race->workers[i].task = task;
	}
	mod_timer(&race->timer, jiffies + 1);
	return 0;
}

struct race *race_start(struct region *region, const struct odp_test_race_start *args)
{
	struct race *race;
	int ret;

	if (!args->threads || args->threads > RACE_THREADS_MAX ||
	    args->pages <= args->threads + 1 || args->pages > ODP_TEST_RACE_PAGES_MAX ||
	    offset_in_page(region->umem->address) ||
	    region->umem->length < page_offset_of(args->pages))
		return ERR_PTR(-EINVAL);
	race = kzalloc(struct_size(race, workers, args->threads + 1), GFP_KERNEL);
	if (!race)
		return ERR_PTR(-ENOMEM);
	kref_get(&region->ref);
	race->region = region;
	race->umem = region->umem;
	race->pages = args->pages;
	race->missing = NO_PAGE;
	race->nr_workers = args->threads + 1;
	spin_lock_init(&race->error_lock);
	timer_setup(&race->timer, worker_softirq, 0);
	ret = race_init(race);
	if (!ret)
		ret = race_run(race);
	if (!ret)
		return race;
	race_halt(race);
	race_free(race);
	return ERR_PTR(ret);
}

static int race_result(struct race *race, struct odp_test_race_stop *result)
{
	struct worker *softirq = &race->workers[race->nr_workers - 1];
	u32 __user *versions = u64_to_user_ptr(result->versions);
	struct worker *worker;

	for (worker = race->workers; worker <= softirq; worker++) {
		result->reads += worker->reads;
		result->writes += worker->writes;
		result->atomics += worker->atomics;
		result->misses += worker->misses;
		result->faults += worker->faults;
	}
	result->softirq = softirq->reads + softirq->writes + softirq->atomics;
	result->errors = race->errors;
	memcpy(result->error, race->error, sizeof(result->error));
	if (copy_to_user(versions, race->versions, race->pages * sizeof(u32)))
		return -EFAULT;
	return 0;
}

int race_stop(struct race *race, struct odp_test_race_stop *result)
{
	int ret = 0;

	race_halt(race);
	if (result)
		ret = race_result(race, result);
	race_free(race);
	return ret;
}
