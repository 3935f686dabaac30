// SPDX-License-Identifier: GPL-2.0-only
/* Built by tests/deb with nothing but the package linux-headers. */
#include <linux/module.h>
#include <linux/pt_reclaim.h>

static int __init hello_init(void)
{
	pr_info("hello from a module\n");
	return 0;
}

static void __exit hello_exit(void)
{
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_DESCRIPTION("The headers package builds modules");
MODULE_LICENSE("GPL");
