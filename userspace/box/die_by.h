/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BOX_DIE_BY_H
#define BOX_DIE_BY_H

/* Ends this process by the signal that has killed the command; by a status, if the signal does not end it. */
void die_by(int sig) __attribute__((noreturn));

#endif
