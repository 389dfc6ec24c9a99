// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "pcapng.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINK_ETHERNET = 1,
	OPTION_NAME = 2,	/* of an interface */
	OPTION_RESOLUTION = 9,
	OPTION_FLAGS = 2,	/* of a packet */
	OPTION_RECEIVED = 4,	/* of statistics */
	OPTION_DROPPED = 5,
	OPTION_APPLICATION = 4,	/* of the section */
	FLAG_IN = 1,
	FLAG_OUT = 2,
};

static uint32_t padded(uint32_t len)
{
	return (len + 3) & ~3u;
}

static void put(FILE *file, const void *data, uint32_t len)
{
	fwrite(data, 1, len, file);
}

static void put32(FILE *file, uint32_t value)
{
	put(file, &value, sizeof(value));
}

static void put_padding(FILE *file, uint32_t len)
{
	put(file, "\0\0\0", padded(len) - len);
}

static void put_option(FILE *file, uint16_t code, const void *data, uint16_t len)
{
	put(file, &code, sizeof(code));
	put(file, &len, sizeof(len));
	put(file, data, len);
	put_padding(file, len);
}

/* The length stands at the start and at the end of a block, and counts both. */
static void start(FILE *file, uint32_t type, uint32_t body)
{
	put32(file, type);
	put32(file, body + 12);
}

static void end(FILE *file, uint32_t body)
{
	put32(file, body + 12);
}

void pcapng_start(FILE *file)
{
	static const char application[] = "rdmabox";
	static const uint16_t version[2] = { 1, 0 };
	static const int64_t unknown = -1;
	uint32_t body = 16 + 4 + 8 + 4;

	start(file, BLOCK_SECTION, body);
	put32(file, BYTE_ORDER_MAGIC);
	put(file, version, sizeof(version));
	put(file, &unknown, sizeof(unknown));
	put_option(file, OPTION_APPLICATION, application, sizeof(application) - 1);
	put32(file, 0);
	end(file, body);
}

void pcapng_interface(FILE *file, const char *name)
{
	static const uint16_t link[2] = { LINK_ETHERNET, 0 };
	static const uint8_t nanoseconds = 9;
	uint16_t len = strlen(name);
	uint32_t body = 8 + 4 + padded(len) + 8 + 4;

	start(file, BLOCK_INTERFACE, body);
	put(file, link, sizeof(link));
	put32(file, 0);
	put_option(file, OPTION_NAME, name, len);
	put_option(file, OPTION_RESOLUTION, &nanoseconds, sizeof(nanoseconds));
	put32(file, 0);
	end(file, body);
}

static void put_time(FILE *file, uint64_t ns)
{
	put32(file, ns >> 32);
	put32(file, ns);
}

void pcapng_packet(FILE *file, uint32_t interface, uint64_t ns, bool from_node, const void *data,
		   uint32_t len, uint32_t whole)
{
	uint32_t body = 20 + padded(len) + 8 + 4, flags = from_node ? FLAG_OUT : FLAG_IN;

	start(file, BLOCK_PACKET, body);
	put32(file, interface);
	put_time(file, ns);
	put32(file, len);
	put32(file, whole);
	put(file, data, len);
	put_padding(file, len);
	put_option(file, OPTION_FLAGS, &flags, sizeof(flags));
	put32(file, 0);
	end(file, body);
}

void pcapng_statistics(FILE *file, uint32_t interface, uint64_t ns, uint64_t packets, uint64_t lost)
{
	uint32_t body = 12 + 12 + 12 + 4;

	start(file, BLOCK_STATISTICS, body);
	put32(file, interface);
	put_time(file, ns);
	put_option(file, OPTION_RECEIVED, &packets, sizeof(packets));
	put_option(file, OPTION_DROPPED, &lost, sizeof(lost));
	put32(file, 0);
	end(file, body);
}
