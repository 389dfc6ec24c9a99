// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "box.h"

static void say_args(const char *format, va_list args)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "rdmabox: ");

	n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(2, line, n) < 0)
		return;
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_args(format, args);
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	terminal_restore();
	va_start(args, format);
	say_args(format, args);
	va_end(args);
	exit(EXIT_TOOL);
}
