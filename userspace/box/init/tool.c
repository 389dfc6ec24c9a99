// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "init.h"

int tool(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

	if (!strcmp(name, "ssh") || !strcmp(name, "rsh"))
		return shell_main(argc, argv);
	if (argc > 1 && !strcmp(argv[1], "on"))
		return on_main(argc - 1, argv + 1);
	fprintf(stderr, "rdmabox: this is inside of a box, where there is only rdmabox on: see rdmabox on --help\n");
	return EXIT_TOOL;
}
