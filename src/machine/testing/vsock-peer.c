/* The guest's end of socket tests, compiled in the guest: vs connect|listen stream|seq PORT MODE [N] */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct address {
	unsigned short family, reserved;
	unsigned port, cid;
	char zero[4];
};

static unsigned char buffer[1 << 18];

static unsigned char at(unsigned long i) { return i * 31 + (i >> 9); }

static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

/* Reads to the end and says how much that was, and whether it was the pattern. */
static void sink(int s)
{
	unsigned long total = 0, wrong = 0;
	long n;
	while ((n = read(s, buffer, sizeof buffer)) > 0)
		for (long i = 0; i < n; i++, total++) wrong += buffer[i] != at(total);
	if (n < 0) fail("read");
	printf("sunk %lu wrong %lu\n", total, wrong);
}

static void source(int s, unsigned long count)
{
	for (unsigned long sent = 0; sent < count;) {
		unsigned long n = count - sent < 50000 ? count - sent : 50000;
		for (unsigned long i = 0; i < n; i++) buffer[i] = at(sent + i);
		long done = write(s, buffer, n);
		if (done < 0) fail("write");
		sent += done;
	}
	shutdown(s, SHUT_WR);
	while (read(s, buffer, sizeof buffer) > 0) {}
	printf("sourced %lu\n", count);
}

/* As fast as it goes, with nothing looked at. */
static void drain(int s)
{
	unsigned long total = 0;
	long n;
	while ((n = read(s, buffer, sizeof buffer)) > 0) total += n;
	printf("drained %lu\n", total);
}

static void pour(int s, long count)
{
	for (long n; count > 0; count -= n)
		if ((n = write(s, buffer, count < sizeof buffer ? count : sizeof buffer)) < 0) fail("write");
	shutdown(s, SHUT_WR);
	while (read(s, buffer, sizeof buffer) > 0) {}
	printf("poured\n");
}

/* Sends each message back, its length in front. */
static void echo(int s)
{
	long n, count = 0;
	while ((n = recv(s, buffer + 4, sizeof buffer - 4, 0)) > 0) {
		memcpy(buffer, &n, 4);
		if (send(s, buffer, n + 4, 0) != n + 4) fail("send");
		count++;
	}
	printf("echoed %ld\n", count);
}

int main(int argc, char **argv)
{
	if (argc < 5) return 2;
	int s = socket(40, strcmp(argv[2], "seq") ? SOCK_STREAM : SOCK_SEQPACKET, 0);
	struct address a = { 40, 0, atoi(argv[3]), 2, { 0 } };
	if (s < 0) fail("socket");
	if (!strcmp(argv[1], "listen")) {
		a.cid = -1;
		if (bind(s, (void *)&a, sizeof a) || listen(s, 4)) fail("listen");
		printf("listening\n");
		fflush(stdout);
		s = accept(s, 0, 0);
		if (s < 0) fail("accept");
	} else if (connect(s, (void *)&a, sizeof a)) {
		fail("connect");
	}
	printf("connected\n");
	fflush(stdout);
	if (!strcmp(argv[4], "sleep")) sleep(atoi(argv[5])), sink(s);
	if (!strcmp(argv[4], "sink")) sink(s);
	if (!strcmp(argv[4], "source")) source(s, strtoul(argv[5], 0, 10));
	if (!strcmp(argv[4], "drain")) drain(s);
	if (!strcmp(argv[4], "pour")) pour(s, atol(argv[5]));
	if (!strcmp(argv[4], "echo")) echo(s);
	return 0;
}
