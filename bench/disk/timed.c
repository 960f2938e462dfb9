/*
 * `timed NAME COMMAND...` runs a command with its output on the console and prints
 * `@timed NAME SECONDS STATUS`, the time by the monotonic clock.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int status = -1;
	double start = now();
	pid_t child;

	if (argc < 3)
		return 2;
	child = fork();
	if (child == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	waitpid(child, &status, 0);
	printf("@timed %s %.4f %d\n", argv[1], now() - start, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return 0;
}
