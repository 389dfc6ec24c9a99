// SPDX-License-Identifier: GPL-2.0
/*
 * Protection domains and user contexts: names that other objects refer to, with
 * nothing in them.
 */
#include "rxe_verbs.h"

/**
 * rxe_alloc_ucontext() - a process opens the device
 * @ibcontext: its context
 * @udata: nothing is asked and nothing is told
 *
 * Return: 0.
 */
int rxe_alloc_ucontext(struct ib_ucontext *ibcontext, struct ib_udata *udata)
{
	return 0;
}

/**
 * rxe_dealloc_ucontext() - the end of a context
 * @ibcontext: the context; its objects are gone
 */
void rxe_dealloc_ucontext(struct ib_ucontext *ibcontext)
{
}

/**
 * rxe_disassociate_ucontext() - the device goes before the process does
 * @ibcontext: the context
 *
 * Mapped rings stay valid memory, with nobody at the other end. That the
 * function exists lets a device in use be removed.
 */
void rxe_disassociate_ucontext(struct ib_ucontext *ibcontext)
{
}

/**
 * rxe_alloc_pd() - make a protection domain
 * @ibpd: the protection domain
 * @udata: nothing is asked and nothing is told
 *
 * Return: 0.
 */
int rxe_alloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	return 0;
}

/**
 * rxe_dealloc_pd() - the end of a protection domain
 * @ibpd: the protection domain; nothing refers to it
 * @udata: not used
 *
 * Return: 0.
 */
int rxe_dealloc_pd(struct ib_pd *ibpd, struct ib_udata *udata)
{
	return 0;
}
