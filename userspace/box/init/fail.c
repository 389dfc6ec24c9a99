// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init.h"

int control = -1;
bool fail_exits;

static void send_message(const struct box_message *message)
{
	if (write(control, message, sizeof(*message)) < 0)
		fprintf(stderr, "rdmabox: %s\n", message->text);
}

void say(int type, int value)
{
	struct box_message message = { .type = type, .value = value };

	send_message(&message);
}

void say_report(const char *text, size_t len)
{
	struct box_message message = { .type = SAY_REPORT };

	for (; len; text += message.value, len -= message.value) {
		size_t room = sizeof(message.text) - 1;

		message.value = len < room ? len : room;
		memcpy(message.text, text, message.value);
		message.text[message.value] = 0;
		send_message(&message);
	}
}

/* The launcher kills the box when it gets the message. */
static void __attribute__((noreturn)) fail_args(int status, const char *format, va_list args)
{
	struct box_message message = { .type = SAY_FAILED, .value = status };

	vsnprintf(message.text, sizeof(message.text), format, args);
	send_message(&message);
	if (fail_exits)
		_exit(status);
	for (;;)
		pause();
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail_args(EXIT_TOOL, format, args);
}

void fail_as(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail_args(status, format, args);
}
