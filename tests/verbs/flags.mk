# SPDX-License-Identifier: GPL-2.0
# Flags to build programs that use the library of this folder. rdma-core before 45 does not know FLUSH.
verbs := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))

CFLAGS ?= -O2 -g
CFLAGS += -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -I$(verbs) -I$(verbs)/../../userspace
have_flush := $(shell printf '\043include <infiniband/verbs.h>\nint flush = IBV_WR_FLUSH;' | \
	$(CC) -x c -c -o /dev/null - 2>/dev/null && echo 1 || echo 0)
CFLAGS += -DHAVE_FLUSH=$(have_flush)
ifeq ($(have_flush),0)
CFLAGS += -include $(verbs)/lib/no_flush.h
endif
LDLIBS := -lrdmacm -libverbs -lcmocka -lpthread
