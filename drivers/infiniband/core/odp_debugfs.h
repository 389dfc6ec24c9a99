/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_DEBUGFS_H
#define ODP_DEBUGFS_H

int odp_debugfs_module_init(void);
void odp_debugfs_module_exit(void);

#endif /* ODP_DEBUGFS_H */
