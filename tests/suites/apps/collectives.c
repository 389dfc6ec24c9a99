// SPDX-License-Identifier: GPL-2.0
/* MPI between four ranks or so, each value of every answer looked at. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 1 << 18 };

static int rank, ranks, wrong;

static void expect(const char *what, int count, int i, long got, long expected)
{
	if (got == expected)
		return;
	if (!wrong++)
		printf("rank %d: %s of %d: element %d is %ld, not %ld\n", rank, what, count, i, got,
		       expected);
}

static long value(int owner, int i)
{
	return 1000003L * owner + i;
}

static void fill(long *data, int count)
{
	for (int i = 0; i < count; i++)
		data[i] = value(rank, i);
}

static void allreduce(long *from, long *to, int count)
{
	fill(from, count);
	MPI_Allreduce(from, to, count, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	for (int i = 0; i < count; i++)
		expect("allreduce", count, i, to[i],
		       1000003L * (ranks * (ranks - 1) / 2) + (long)ranks * i);
}

static void broadcast(long *data, int count)
{
	for (int root = 0; root < ranks; root++) {
		fill(data, count);
		MPI_Bcast(data, count, MPI_LONG, root, MPI_COMM_WORLD);
		for (int i = 0; i < count; i++)
			expect("broadcast", count, i, data[i], value(root, i));
	}
}

/* Of COUNT elements for all ranks together. */
static void alltoall(long *from, long *to, int count)
{
	int each = count / ranks;

	fill(from, count);
	MPI_Alltoall(from, each, MPI_LONG, to, each, MPI_LONG, MPI_COMM_WORLD);
	for (int i = 0; i < each * ranks; i++)
		expect("alltoall", count, i, to[i], value(i / each, rank * each + i % each));
}

/* Around the ring, with everybody sending at once. */
static void ring(long *from, long *to, int count)
{
	int left = (rank + ranks - 1) % ranks;

	fill(from, count);
	MPI_Sendrecv(from, count, MPI_LONG, (rank + 1) % ranks, 7, to, count, MPI_LONG, left, 7,
		     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	for (int i = 0; i < count; i++)
		expect("ring", count, i, to[i], value(left, i));
}

/* Put to the right, get from the left, and count at rank 0. */
static void one_sided(long *from, long *to, int count)
{
	int left = (rank + ranks - 1) % ranks, right = (rank + 1) % ranks;
	long one = 1, zero = 0, *sum;
	MPI_Win window, counter;

	fill(from, count);
	MPI_Win_create(to, count * sizeof(*to), sizeof(*to), MPI_INFO_NULL, MPI_COMM_WORLD, &window);
	MPI_Win_fence(0, window);
	MPI_Put(from, count, MPI_LONG, right, 0, count, MPI_LONG, window);
	MPI_Win_fence(0, window);
	for (int i = 0; i < count; i++)
		expect("put", count, i, to[i], value(left, i));
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_fence(0, window);
	MPI_Get(from, count, MPI_LONG, right, 0, count, MPI_LONG, window);
	MPI_Win_fence(0, window);
	for (int i = 0; i < count; i++)
		expect("get", count, i, from[i], value(rank, i));
	MPI_Win_free(&window);

	MPI_Win_allocate(sizeof(*sum), sizeof(*sum), MPI_INFO_NULL, MPI_COMM_WORLD, &sum, &counter);
	*sum = 0;
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock_all(0, counter);
	for (int i = 0; i < 10; i++) {
		long before;

		MPI_Fetch_and_op(&one, &before, MPI_LONG, 0, 0, MPI_SUM, counter);
		MPI_Win_flush(0, counter);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Fetch_and_op(&zero, from, MPI_LONG, 0, 0, MPI_NO_OP, counter);
	MPI_Win_flush(0, counter);
	MPI_Win_unlock_all(counter);
	expect("fetch and add", 1, 0, from[0], 10L * ranks);
	MPI_Win_free(&counter);
}

int main(int argc, char **argv)
{
	long *from = malloc(MOST * sizeof(*from)), *to = malloc(MOST * sizeof(*to));
	int all;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	for (int count = 8; count <= MOST; count *= 32) {
		allreduce(from, to, count);
		broadcast(to, count);
		alltoall(from, to, count);
		ring(from, to, count);
		if (argc > 1)
			one_sided(from, to, count);
	}
	MPI_Reduce(&wrong, &all, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
	if (!rank)
		printf("%d wrong\n", all);
	MPI_Finalize();
	return wrong > 0;
}
