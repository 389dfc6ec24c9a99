/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ODP_WORKER_H
#define ODP_WORKER_H

#include <linux/types.h>

struct ib_umem_odp;
struct umem_odp_request;

int odp_request_queue(struct umem_odp_request *request, bool force);
void odp_request_put(struct umem_odp_request *request);
void odp_requests_forget(struct ib_umem_odp *umem);
int odp_worker_module_init(void);
void odp_worker_module_exit(void);

#endif /* ODP_WORKER_H */
