/* SPDX-License-Identifier: GPL-2.0 */
/* A file for Wireshark: draft-ietf-opsawg-pcapng. */
#ifndef BOX_PCAPNG_H
#define BOX_PCAPNG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void pcapng_start(FILE *file);
void pcapng_interface(FILE *file, const char *name);	/* numbered from 0 in this order */
void pcapng_packet(FILE *file, uint32_t interface, uint64_t ns, bool from_node, const void *data,
		   uint32_t len, uint32_t whole);
void pcapng_statistics(FILE *file, uint32_t interface, uint64_t ns, uint64_t packets, uint64_t lost);

#endif
