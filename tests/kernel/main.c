// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/odp_test uses ib_umem_odp without any transport: programs register their memory,
 * and access it through the region as a network card would.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>

#include "internal.h"

#define COPY_CHUNK SZ_64K

struct test_device {
	struct ib_device ibdev;
	struct umem_odp_device odp;
	unsigned long io_page;	/* mmap() of the device maps it as device memory */
};

struct test_file {
	struct xarray regions;
	struct mutex race_lock;	/* protects race */
	struct race *race;
};

/*
 * Never registered with the RDMA core. To ib_umem_odp a device is only a key. A device
 * without a parent pins memory without a DMA mapping, as rxe does.
 */
static struct test_device *test_device;

void region_release(struct kref *ref)
{
	struct region *region = container_of(ref, struct region, ref);

	umem_odp_put(region->umem);
	kfree(region);
}

static void region_put(struct region *region)
{
	kref_put(&region->ref, region_release);
}

static struct region *region_get(struct test_file *file, u32 handle)
{
	struct region *region;

	xa_lock(&file->regions);
	region = xa_load(&file->regions, handle);
	if (region)
		kref_get(&region->ref);
	xa_unlock(&file->regions);
	return region;
}

static struct ib_umem_odp *umem_get(const struct odp_test_register *args)
{
	int access = IB_ACCESS_REMOTE_READ;

	if (args->flags & ODP_TEST_WRITABLE)
		access |= IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC;
	if (args->flags & ODP_TEST_PINNED)
		return umem_odp_get_pinned(&test_device->odp, args->address, args->length,
					   access);
	return umem_odp_get(&test_device->odp, args->address, args->length, access);
}

struct umem_work {
	struct work_struct work;
	const struct odp_test_register *args;
	struct ib_umem_odp *umem;
};

static void umem_get_work(struct work_struct *work)
{
	struct umem_work *get = container_of(work, struct umem_work, work);

	get->umem = umem_get(get->args);
}

static struct ib_umem_odp *umem_get_by_thread(const struct odp_test_register *args)
{
	struct umem_work get = { .args = args };

	INIT_WORK_ONSTACK(&get.work, umem_get_work);
	schedule_work(&get.work);
	flush_work(&get.work);
	destroy_work_on_stack(&get.work);
	return get.umem;
}

static int do_register(struct test_file *file, struct odp_test_register *args)
{
	struct region *region = kzalloc(sizeof(*region), GFP_KERNEL);
	int ret;

	if (!region)
		return -ENOMEM;
	kref_init(&region->ref);
	region->umem = args->flags & ODP_TEST_BY_THREAD ? umem_get_by_thread(args) :
							  umem_get(args);
	if (IS_ERR(region->umem)) {
		ret = PTR_ERR(region->umem);
		kfree(region);
		return ret;
	}
	ret = xa_alloc(&file->regions, &args->handle, region, xa_limit_31b, GFP_KERNEL);
	if (ret)
		region_put(region);
	return ret;
}

static int do_put(struct test_file *file, struct odp_test_put *args)
{
	struct region *region = xa_erase(&file->regions, args->handle);

	if (!region)
		return -ENOENT;
	region_put(region);
	return 0;
}

/* With bottom halves off, as in a driver, the kernel reports a copy that sleeps. */
static size_t copy_chunk(struct region *region, u64 offset, void *buf, size_t len, bool write)
{
	local_bh_disable();
	if (write)
		len = umem_odp_write(region->umem, offset, buf, len);
	else
		len = umem_odp_read(region->umem, offset, buf, len);
	local_bh_enable();
	return len;
}

/* Copies in chunks, as drivers do. 16 MiB at once stalled RCU on a slow machine. */
static void copy_present(struct region *region, struct odp_test_copy *args, void *bounce,
			 bool write)
{
	size_t n, copied;

	do {
		n = min_t(size_t, args->length - args->done, COPY_CHUNK);
		copied = copy_chunk(region, args->offset + args->done, bounce + args->done, n,
				    write);
		args->done += copied;
		cond_resched();
	} while (copied == n && args->done < args->length);
}

static int copy_all(struct region *region, struct odp_test_copy *args, void *bounce, bool write)
{
	unsigned int flags = write ? UMEM_ODP_FAULT_WRITE : 0;
	ssize_t ret;

	for (;;) {
		copy_present(region, args, bounce, write);
		if (args->done == args->length || !(args->flags & ODP_TEST_FAULTING))
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = umem_odp_fault(region->umem, args->offset + args->done,
				     args->length - args->done, flags);
		if (ret < 0 && ret != -EBUSY) {
			args->error = ret;
			return 0;
		}
	}
}

static int do_copy(struct region *region, struct odp_test_copy *args, bool write)
{
	void __user *buffer = u64_to_user_ptr(args->buffer);
	void *bounce;
	int ret = -EFAULT;

	if (args->length > ODP_TEST_COPY_MAX)
		return -E2BIG;
	bounce = kvzalloc(max(args->length, 1ull), GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;
	args->done = 0;
	args->error = 0;
	if (!write || !copy_from_user(bounce, buffer, args->length))
		ret = copy_all(region, args, bounce, write);
	if (!ret && !write && copy_to_user(buffer, bounce, args->done))
		ret = -EFAULT;
	kvfree(bounce);
	return ret;
}

static size_t move_chunk(struct region *to, struct region *from, struct odp_test_move *args,
			 size_t len)
{
	enum umem_odp_side side;

	local_bh_disable();
	len = umem_odp_copy(to->umem, args->offset + args->done, from->umem,
			    args->from_offset + args->done, len, &side);
	local_bh_enable();
	args->missing = side;
	return len;
}

static void move_present(struct region *to, struct region *from, struct odp_test_move *args)
{
	size_t n, copied;

	do {
		n = min_t(size_t, args->length - args->done, COPY_CHUNK);
		copied = move_chunk(to, from, args, n);
		args->done += copied;
		cond_resched();
	} while (copied == n && args->done < args->length);
}

static ssize_t move_fault(struct region *to, struct region *from, struct odp_test_move *args)
{
	u64 rest = args->length - args->done;

	if (args->missing == UMEM_ODP_TO)
		return umem_odp_fault(to->umem, args->offset + args->done, rest,
				      UMEM_ODP_FAULT_WRITE);
	return umem_odp_fault(from->umem, args->from_offset + args->done, rest, 0);
}

static int move_all(struct region *to, struct region *from, struct odp_test_move *args)
{
	ssize_t ret;

	args->done = 0;
	args->error = 0;
	for (;;) {
		move_present(to, from, args);
		if (args->done == args->length || !(args->flags & ODP_TEST_FAULTING))
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = move_fault(to, from, args);
		if (ret < 0 && ret != -EBUSY) {
			args->error = ret;
			return 0;
		}
	}
}

static int do_move(struct test_file *file, struct region *to, struct odp_test_move *args)
{
	struct region *from = region_get(file, args->from);
	int ret;

	if (!from)
		return -ENOENT;
	ret = move_all(to, from, args);
	region_put(from);
	return ret;
}

static int atomic_once(struct region *region, struct odp_test_atomic *args)
{
	int ret;

	local_bh_disable();
	ret = umem_odp_atomic(region->umem, args->offset, args->op, args->operand,
			      args->compare, &args->old);
	local_bh_enable();
	return ret;
}

static int do_atomic(struct region *region, struct odp_test_atomic *args)
{
	for (;;) {
		args->error = atomic_once(region, args);
		if (args->error != -EAGAIN || !(args->flags & ODP_TEST_FAULTING))
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		args->error = umem_odp_fault(region->umem, args->offset, sizeof(u64),
					     UMEM_ODP_FAULT_WRITE);
		if (args->error < 0 && args->error != -EBUSY)
			return 0;
	}
}

static int do_fault(struct region *region, struct odp_test_fault *args)
{
	args->result = umem_odp_fault(region->umem, args->offset, args->length, args->flags);
	return 0;
}

static int do_query(struct region *region, struct odp_test_query *args)
{
	u8 __user *states = u64_to_user_ptr(args->states);
	u64 offset = args->offset;
	u64 page;

	for (page = 0; page < args->pages; page++) {
		if (offset >= region->umem->length)
			return -EINVAL;
		if (put_user((u8)umem_odp_query(region->umem, offset), states + page))
			return -EFAULT;
		offset += PAGE_SIZE - offset_in_page(region->umem->address + offset);
	}
	return 0;
}

static int do_stats(struct region *region, struct odp_test_stats *args)
{
	struct umem_odp_mirror_stats stats;

	umem_odp_get_mirror_stats(region->umem, &stats);
	args->windows = stats.windows;
	args->leaves = stats.leaves;
	args->table_bytes = stats.table_bytes;
	args->faults = stats.faults;
	args->invalidations = stats.invalidations;
	args->region_faults = atomic64_read(&region->umem->counters.faults);
	args->region_pages = atomic64_read(&region->umem->counters.pages_faulted);
	return 0;
}

static int do_race_start(struct test_file *file, struct region *region,
			 struct odp_test_race_start *args)
{
	struct race *race = ERR_PTR(-EBUSY);

	mutex_lock(&file->race_lock);
	if (!file->race) {
		race = race_start(region, args);
		if (!IS_ERR(race))
			file->race = race;
	}
	mutex_unlock(&file->race_lock);
	return PTR_ERR_OR_ZERO(race);
}

static int do_race_stop(struct test_file *file, struct odp_test_race_stop *args)
{
	struct race *race;

	mutex_lock(&file->race_lock);
	race = file->race;
	file->race = NULL;
	mutex_unlock(&file->race_lock);
	return race ? race_stop(race, args) : -ENOENT;
}

/* The unmapped page behind a page of vmalloc() stands for memory that has failed. */
static int do_failing(struct odp_test_failing *args)
{
	u8 *page, *to;
	int ret = -ENOMEM;

	if (!IS_ENABLED(CONFIG_ARCH_HAS_COPY_MC) || IS_ENABLED(CONFIG_KASAN))
		return -EOPNOTSUPP;
	if (args->before > PAGE_SIZE || args->length > 2 * PAGE_SIZE)
		return -EINVAL;
	page = vmalloc(PAGE_SIZE);
	to = kzalloc(2 * PAGE_SIZE, GFP_KERNEL);
	if (page && to) {
		get_random_bytes(page, PAGE_SIZE);
		args->good = compat_copy_mc(to, page + PAGE_SIZE - args->before, args->length);
		args->right = !memcmp(to, page + PAGE_SIZE - args->before,
				      min(args->before, args->length) & ~7);
		ret = 0;
	}
	kfree(to);
	vfree(page);
	return ret;
}

/* The arguments of every call on a region start with the handle. */
union test_args {
	u32 handle;
	struct odp_test_register reg;
	struct odp_test_put put;
	struct odp_test_copy copy;
	struct odp_test_move move;
	struct odp_test_atomic atomic;
	struct odp_test_fault fault;
	struct odp_test_query query;
	struct odp_test_stats stats;
	struct odp_test_race_start race_start;
	struct odp_test_race_stop race_stop;
	struct odp_test_failing failing;
};

static int region_call(struct test_file *file, struct region *region, unsigned int cmd,
		       union test_args *args)
{
	switch (cmd) {
	case ODP_TEST_READ:
		return do_copy(region, &args->copy, false);
	case ODP_TEST_WRITE:
		return do_copy(region, &args->copy, true);
	case ODP_TEST_MOVE:
		return do_move(file, region, &args->move);
	case ODP_TEST_ATOMIC:
		return do_atomic(region, &args->atomic);
	case ODP_TEST_FAULT:
		return do_fault(region, &args->fault);
	case ODP_TEST_QUERY:
		return do_query(region, &args->query);
	case ODP_TEST_STATS:
		return do_stats(region, &args->stats);
	case ODP_TEST_RACE_START:
		return do_race_start(file, region, &args->race_start);
	default:
		return -ENOTTY;
	}
}

static int file_call(struct test_file *file, unsigned int cmd, union test_args *args)
{
	struct region *region;
	int ret;

	switch (cmd) {
	case ODP_TEST_REGISTER:
		return do_register(file, &args->reg);
	case ODP_TEST_PUT:
		return do_put(file, &args->put);
	case ODP_TEST_RACE_STOP:
		return do_race_stop(file, &args->race_stop);
	case ODP_TEST_FAILING:
		return do_failing(&args->failing);
	}
	region = region_get(file, args->handle);
	if (!region)
		return -ENOENT;
	ret = region_call(file, region, cmd, args);
	region_put(region);
	return ret;
}

static long test_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	void __user *at = (void __user *)arg;
	union test_args args = {};
	int ret;

	if (_IOC_SIZE(cmd) > sizeof(args))
		return -ENOTTY;
	if (copy_from_user(&args, at, _IOC_SIZE(cmd)))
		return -EFAULT;
	ret = file_call(filp->private_data, cmd, &args);
	if (!ret && _IOC_DIR(cmd) & _IOC_READ && copy_to_user(at, &args, _IOC_SIZE(cmd)))
		return -EFAULT;
	return ret;
}

static int test_open(struct inode *inode, struct file *filp)
{
	struct test_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	xa_init_flags(&file->regions, XA_FLAGS_ALLOC);
	mutex_init(&file->race_lock);
	filp->private_data = file;
	return 0;
}

static int test_release(struct inode *inode, struct file *filp)
{
	struct test_file *file = filp->private_data;
	struct region *region;
	unsigned long handle;

	if (file->race)
		race_stop(file->race, NULL);
	xa_for_each(&file->regions, handle, region)
		region_put(region);
	xa_destroy(&file->regions);
	kfree(file);
	return 0;
}

/* Makes a mapping that no region may access: VM_IO and VM_PFNMAP. */
static int test_mmap(struct file *filp, struct vm_area_struct *vma)
{
	if (vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start, __pa(test_device->io_page) >> PAGE_SHIFT,
			       PAGE_SIZE, vma->vm_page_prot);
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.unlocked_ioctl = test_ioctl,
	.mmap = test_mmap,
};

static struct miscdevice test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "odp_test",
	.fops = &test_fops,
	.mode = 0600,
};

static int __init test_init(void)
{
	int ret = -ENOMEM;

	test_device = ib_alloc_device(test_device, ibdev);
	if (!test_device)
		return -ENOMEM;
	umem_odp_device_init(&test_device->odp, &test_device->ibdev);
	test_device->io_page = get_zeroed_page(GFP_KERNEL);
	if (!test_device->io_page)
		goto err_device;
	ret = misc_register(&test_misc);
	if (ret)
		goto err_page;
	return 0;

err_page:
	free_page(test_device->io_page);
err_device:
	ib_dealloc_device(&test_device->ibdev);
	return ret;
}

static void __exit test_exit(void)
{
	misc_deregister(&test_misc);
	free_page(test_device->io_page);
	ib_dealloc_device(&test_device->ibdev);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Tests of ib_umem_odp");
MODULE_LICENSE("GPL");
