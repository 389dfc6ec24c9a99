/* SPDX-License-Identifier: GPL-2.0 */
/* What a program measured, for tests/demo/run to read: a line "fact NAME VALUE". */
#ifndef DEMO_FACT_H
#define DEMO_FACT_H

#include <stdio.h>

#define fact(name, format, ...) printf("fact %s " format "\n", name, __VA_ARGS__)

#endif
