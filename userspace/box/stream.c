// SPDX-License-Identifier: GPL-2.0
/*
 * The launcher's side of a channel for bytes. It reads from the caller's input only what the box asks for,
 * and acknowledges what it has written, so that no more than the kernel's window is under way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"

#define PIPE_PIECE	4096	/* so much fits where poll() says that something fits */

/* A descriptor that does not wait must not be the caller's, which it shares with others. */
static int open_again(int fd)
{
	char path[32];
	struct stat file;

	if (fstat(fd, &file) || !(S_ISFIFO(file.st_mode) || isatty(fd)))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void stream_open(struct stream *stream, int channel, int in, int out)
{
	*stream = (struct stream){
		.channel = channel, .in = in, .out = out, .writer = -1,
		.terminal = isatty(out >= 0 ? out : in)
	};
	if (out >= 0)
		stream->writer = open_again(out);
	if (stream->writer < 0)
		stream->writer = out;
	stream->data = malloc(BYTES_MOST + 1);
	if (!stream->data)
		die("no memory");
}

static void answer(struct stream *stream, int type, const void *data, size_t len)
{
	unsigned char message[512];

	message[0] = type;
	memcpy(message + 1, data, len);
	send(stream->channel, message, len + 1, MSG_NOSIGNAL);
}

static bool readable(int fd)
{
	struct pollfd poll_in = { .fd = fd, .events = POLLIN };

	return poll(&poll_in, 1, 0) > 0 && poll_in.revents;
}

static void read_wanted(struct stream *stream)
{
	static unsigned char message[BYTES_MOST + 1];
	ssize_t n = read(stream->in, message + 1, stream->wanted);
	uint32_t error = errno;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	stream->waits = false;
	message[0] = BYTES_DATA;
	if (n < 0)
		answer(stream, BYTES_ERROR, &error, 4);
	else
		send(stream->channel, message, n + 1, MSG_NOSIGNAL);
}

static void poll_wanted(struct stream *stream)
{
	uint32_t ready = stream->in < 0 || readable(stream->in);

	stream->watched = !ready;
	answer(stream, BYTES_READY, &ready, 4);
}

static void call_ioctl(struct stream *stream, size_t len)
{
	unsigned char result[260] = {};
	uint32_t command, error;

	if (len < 4 || len > sizeof(result))
		return;
	memcpy(&command, stream->data, 4);
	memcpy(result + 4, stream->data + 4, len - 4);
	error = ioctl(stream->out >= 0 ? stream->out : stream->in, command, result + 4) ? errno : 0;
	memcpy(result, &error, 4);
	answer(stream, BYTES_IOCTL_DONE, result, len);
}

static void written(struct stream *stream, uint32_t error)
{
	uint32_t result[2] = { stream->len, error };

	stream->len = 0;
	answer(stream, BYTES_WRITTEN, result, sizeof(result));
}

static void write_more(struct stream *stream)
{
	size_t len = stream->len - stream->done;
	struct stat file;
	ssize_t n;

	if (stream->writer == stream->out && len > PIPE_PIECE && !fstat(stream->out, &file) &&
	    !S_ISREG(file.st_mode))
		len = PIPE_PIECE;
	n = write(stream->writer, stream->data + stream->done, len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		written(stream, errno);
		return;
	}
	stream->done += n;
	if (stream->done == stream->len)
		written(stream, 0);
}

/* Null in its place, so that no other file gets the number */
static void close_file(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, fd);
		close(null);
	}
}

/*
 * The other end of the caller's pipe sees that nobody reads or writes. The standard error stays, because
 * it is also rdmabox's own.
 */
static void close_ends(struct stream *stream, uint32_t which)
{
	if (stream->terminal || stream->out == 2)
		return;
	if (which & 1 && stream->in >= 0) {
		close_file(stream->in);
		stream->in = -1;
		stream->waits = stream->watched = false;
	}
	if (which & 2 && stream->out >= 0) {
		close_file(stream->out);
		if (stream->writer != stream->out)
			close_file(stream->writer);
		stream->out = stream->writer = -1;
	}
}

static void want(struct stream *stream, bool at_once)
{
	memcpy(&stream->wanted, stream->data, 4);
	if (stream->wanted > BYTES_MOST)
		stream->wanted = BYTES_MOST;
	if (stream->in < 0)
		answer(stream, BYTES_DATA, "", 0);
	else if (at_once && !readable(stream->in))
		answer(stream, BYTES_AGAIN, "", 0);
	else
		stream->waits = true;
}

static void handle(struct stream *stream, int type, size_t len)
{
	uint32_t which = 0;

	switch (type) {
	case BYTES_READ:
	case BYTES_TRY:
		want(stream, type == BYTES_TRY);
		break;
	case BYTES_CLOSE:
		memcpy(&which, stream->data, len < 4 ? len : 4);
		close_ends(stream, which);
		break;
	case BYTES_POLL:
		poll_wanted(stream);
		break;
	case BYTES_WRITE:
		stream->len = len;
		stream->done = 0;
		write_more(stream);
		break;
	case BYTES_IOCTL:
		call_ioctl(stream, len);
		break;
	}
}

/* Takes one message; false if there is none. */
static bool take(struct stream *stream)
{
	unsigned char type;
	struct iovec parts[2] = { { &type, 1 }, { stream->data, BYTES_MOST } };
	struct msghdr header = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n = recvmsg(stream->channel, &header, MSG_DONTWAIT);

	if (n < 1)
		return false;
	handle(stream, type, n - 1);
	return true;
}

int stream_polls(struct stream *stream, struct pollfd *polls, bool may_read)
{
	bool reads = may_read && (stream->waits || stream->watched);

	polls[0] = (struct pollfd){ stream->len ? -1 : stream->channel, POLLIN, 0 };
	polls[1] = (struct pollfd){ reads ? stream->in : -1, POLLIN, 0 };
	polls[2] = (struct pollfd){ stream->len ? stream->writer : -1, POLLOUT, 0 };
	return 3;
}

void stream_step(struct stream *stream, const struct pollfd *polls)
{
	uint32_t ready = 1;

	if (polls[2].revents)
		write_more(stream);
	if (polls[1].revents && stream->watched) {
		stream->watched = false;
		answer(stream, BYTES_READY, &ready, 4);
	}
	if (polls[1].revents && stream->waits)
		read_wanted(stream);
	if (polls[0].revents)
		take(stream);
}

void stream_drain(struct stream *stream)
{
	struct pollfd writable = { .fd = stream->writer, .events = POLLOUT };

	do {
		while (stream->len) {
			poll(&writable, 1, -1);
			write_more(stream);
		}
	} while (take(stream));
}
