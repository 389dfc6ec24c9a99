// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/verbs_test is a kernel consumer of RDMA devices, as storage is. It tests the verbs that
 * only the kernel may use.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "consumer.h"

struct known {
	struct list_head node;
	struct ib_device *dev;
};

static LIST_HEAD(known_devices);	/* protected by devices_lock */
static DEFINE_MUTEX(devices_lock);	/* held while a test uses the devices */

/* --- devices ------------------------------------------------------------------- */

static int known_add(struct ib_device *dev)
{
	struct known *known = kzalloc(sizeof(*known), GFP_KERNEL);

	if (!known)
		return -ENOMEM;
	known->dev = dev;
	mutex_lock(&devices_lock);
	list_add(&known->node, &known_devices);
	mutex_unlock(&devices_lock);
	return 0;
}

static void known_remove(struct ib_device *dev, void *data)
{
	struct known *known, *next;

	mutex_lock(&devices_lock);
	list_for_each_entry_safe(known, next, &known_devices, node) {
		if (known->dev == dev) {
			list_del(&known->node);
			kfree(known);
		}
	}
	mutex_unlock(&devices_lock);
}

static struct ib_client test_client = {
	.name = "verbs_test",
	.add = known_add,
	.remove = known_remove,
};

static struct ib_device *known_find(const char *name)
{
	struct known *known;

	lockdep_assert_held(&devices_lock);
	list_for_each_entry(known, &known_devices, node)
		if (!strcmp(dev_name(&known->dev->dev), name))
			return known->dev;
	return NULL;
}

/* --- running ------------------------------------------------------------------- */

static const struct consumer_test *test_find(const char *name)
{
	const struct consumer_test *test;

	for (test = consumer_tests; test->name; test++)
		if (!strcmp(test->name, name))
			return test;
	return NULL;
}

/*
 * Where PREEMPT_RT has no lock for bottom halves, two threads of a CPU run softirqs, and
 * lib/irq_poll.c lets both of them poll the same queue.
 */
static bool can_poll(enum ib_poll_context context)
{
	return context != IB_POLL_SOFTIRQ || !IS_ENABLED(CONFIG_PREEMPT_RT) ||
	       IS_ENABLED(CONFIG_PREEMPT_RT_NEEDS_BH_LOCK);
}

/* The result of the test is in run->failure. */
static int run_test(struct verbs_test_run *run)
{
	const struct consumer_test *test = test_find(run->test);
	struct ib_device *a = known_find(run->device), *b = known_find(run->peer);
	struct rig *rig;

	if (!test || !a || !b)
		return -ENOENT;
	if (!can_poll(test->how.poll))
		return -EOPNOTSUPP;
	rig = kzalloc(sizeof(*rig), GFP_KERNEL);
	if (!rig)
		return -ENOMEM;
	if (!rig_open(rig, run, a, b, &test->how)) {
		if (test->fn(rig))
			failed(rig, "failed");
		rig_close(rig);
	}
	kfree(rig);
	return 0;
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct verbs_test_run *run;
	long ret;

	if (cmd != VERBS_TEST_RUN)
		return -ENOTTY;
	run = memdup_user((void __user *)arg, sizeof(*run));
	if (IS_ERR(run))
		return PTR_ERR(run);
	run->test[sizeof(run->test) - 1] = 0;
	run->device[sizeof(run->device) - 1] = 0;
	run->peer[sizeof(run->peer) - 1] = 0;
	run->failure[0] = 0;
	mutex_lock(&devices_lock);
	ret = run_test(run);
	mutex_unlock(&devices_lock);
	if (!ret && copy_to_user((void __user *)arg, run, sizeof(*run)))
		ret = -EFAULT;
	kfree(run);
	return ret;
}

/* --- the module ---------------------------------------------------------------- */

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = test_ioctl,
};

static struct miscdevice test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "verbs_test",
	.fops = &test_fops,
	.mode = 0600,
};

static int __init test_init(void)
{
	int ret;

	ret = ib_register_client(&test_client);
	if (ret)
		return ret;
	ret = misc_register(&test_misc);
	if (ret)
		ib_unregister_client(&test_client);
	return ret;
}

static void __exit test_exit(void)
{
	misc_deregister(&test_misc);
	ib_unregister_client(&test_client);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Tests of RDMA devices by a consumer in the kernel");
MODULE_LICENSE("GPL");
