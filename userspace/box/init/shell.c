// SPDX-License-Identifier: GPL-2.0
/* ssh and rsh between the nodes of a box, as far as programs such as mpirun use them */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init.h"

enum { SSH_FAILED = 255 };

/* A remote shell gets its words as one text. */
static char *join(char **words)
{
	size_t len = 1;
	char *text;

	for (char **word = words; *word; word++)
		len += strlen(*word) + 1;
	text = calloc(len, 1);
	for (; text && *words; words++) {
		strcat(text, *words);
		if (words[1])
			strcat(text, " ");
	}
	return text;
}

static const char *without_user(const char *host)
{
	const char *at = strrchr(host, '@');

	return at ? at + 1 : host;
}

int shell_main(int argc, char **argv)
{
	static const char options[] = "+46AaCfGgKkMNnqsTtVvXxYyb:c:D:E:e:F:I:i:J:L:l:m:O:o:p:Q:R:S:W:w:";
	char *args[4] = { "sh" }, *home = getenv("HOME");
	int stdio[3] = { 0, 1, 2 }, option, node, result;

	while ((option = getopt(argc, argv, options)) != -1) {
		if (option == '?')
			return SSH_FAILED;
		if (option == 'n')
			stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	node = argv[optind] ? on_node(without_user(argv[optind])) : 0;
	if (!node) {
		fprintf(stderr, "%s: %s is no node of this box: it has node1 to node%d\n", argv[0],
			argv[optind] ?: "(nothing)", on_nodes());
		return SSH_FAILED;
	}
	if (argv[optind + 1]) {
		args[1] = "-c";
		args[2] = join(argv + optind + 1);
	}
	result = on_run(node, args, home && !access(home, X_OK) ? home : "/", stdio);
	return result < 0 ? SSH_FAILED : result;
}
