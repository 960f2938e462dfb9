/*
 * Small workloads: `kernels NAME COUNT` does a fixed amount of work and prints a checksum, so that two
 * machines can be seen to have done the same.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t integer_loop(long count)
{
	uint64_t a = 1, b = 0x9e3779b97f4a7c15u, sum = 0;

	for (long i = 0; i < count; i++) {
		a = a * 6364136223846793005u + 1442695040888963407u;
		b ^= (a >> 17) + (b << 3);
		sum += (b & 0xff) > 127 ? a ^ i : b - i;
	}
	return sum + a + b;
}

/* Follows pointers through 4 MiB in an order without a pattern. */
static uint64_t pointer_chase(long count)
{
	enum { CELLS = 1 << 16 };
	struct cell { struct cell *next; uint64_t value, pad[6]; };
	struct cell *cells = malloc(CELLS * sizeof(*cells));
	uint32_t *order = malloc(CELLS * sizeof(*order));
	uint64_t seed = 42, sum = 0;
	struct cell *at;

	for (int i = 0; i < CELLS; i++)
		order[i] = i;
	for (int i = CELLS - 1; i > 0; i--) {
		seed = seed * 6364136223846793005u + 1;
		uint32_t k = (seed >> 33) % (i + 1), other = order[i];
		order[i] = order[k];
		order[k] = other;
	}
	for (int i = 0; i < CELLS; i++) {
		cells[order[i]].next = &cells[order[(i + 1) % CELLS]];
		cells[order[i]].value = i;
	}
	at = &cells[order[0]];
	for (long i = 0; i < count; i++) {
		sum += at->value;
		at = at->next;
	}
	return sum;
}

static uint64_t matrix_multiply(long count)
{
	enum { N = 96 };
	static double a[N][N], b[N][N], c[N][N];
	double sum = 0;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			a[i][j] = (i * 7 + j * 3) % 11 / 3.0;
			b[i][j] = (i * 5 + j) % 13 / 7.0;
		}
	for (long round = 0; round < count; round++) {
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++) {
				double dot = 0;
				for (int k = 0; k < N; k++)
					dot += a[i][k] * b[k][j];
				c[i][j] = dot;
			}
		a[round % N][(round * 7) % N] = c[3][5] / 1000;
		sum += c[round % N][round % 17];
	}
	return (uint64_t)(sum * 1000);
}

/* Splits text into words, numbers and strings, as the scanner of a compiler does. */
static uint64_t string_machine(long count)
{
	static const char piece[] = "for (int i = 0; i < 1024; ++i) { name_7[i] += 0x1f * \"a\\\"b\"; /* note */ }\n";
	enum { SIZE = 64 * sizeof(piece) };
	static char text[SIZE + 1];
	uint64_t words = 0, numbers = 0, strings = 0, other = 0;

	for (int i = 0; i < SIZE; i += sizeof(piece) - 1)
		strncpy(text + i, piece, SIZE - i);
	for (long round = 0; round < count; round++) {
		enum { PLAIN, WORD, NUMBER, STRING, ESCAPE } state = PLAIN;
		for (const char *p = text; *p; p++) {
			int letter = (*p | 32) >= 'a' && (*p | 32) <= 'z';
			int digit = *p >= '0' && *p <= '9';
			switch (state) {
			case WORD:
				if (letter || digit || *p == '_')
					break;
				state = PLAIN;
				/* fall through */
			case PLAIN:
				if (letter || *p == '_') {
					state = WORD;
					words++;
				} else if (digit) {
					state = NUMBER;
					numbers++;
				} else if (*p == '"') {
					state = STRING;
					strings++;
				} else if (*p > ' ') {
					other += *p;
				}
				break;
			case NUMBER:
				if (!digit && !letter)
					state = PLAIN;
				break;
			case STRING:
				state = *p == '\\' ? ESCAPE : *p == '"' ? PLAIN : STRING;
				break;
			case ESCAPE:
				state = STRING;
				break;
			}
		}
		text[round % 997] ^= 1;
	}
	return words * 3 + numbers * 5 + strings * 7 + other;
}

__attribute__((noinline)) static uint64_t fibonacci(long n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t system_calls(long count)
{
	uint64_t sum = 0;

	for (long i = 0; i < count; i++)
		sum += syscall(SYS_getppid) != 0;
	return sum;
}

static uint64_t fork_exec(long count)
{
	uint64_t sum = 0;

	for (long i = 0; i < count; i++) {
		int status = 1;
		pid_t child = fork();

		if (child == 0) {
			execl("/proc/self/exe", "kernels", "integer", "1", "-", NULL);
			_exit(127);
		}
		waitpid(child, &status, 0);
		sum += status == 0;
	}
	return sum;
}

static uint64_t page_faults(long count)
{
	enum { PAGES = 256, PAGE = 4096 };
	uint64_t sum = 0;

	for (long i = 0; i < count; i++) {
		unsigned char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (int k = 0; k < PAGES; k++)
			area[k * PAGE] = k;
		for (int k = 0; k < PAGES; k++)
			sum += area[k * PAGE];
		munmap(area, PAGES * PAGE);
	}
	return sum;
}

static const struct {
	const char *name;
	uint64_t (*run)(long count);
} KERNELS[] = {
	{ "integer", integer_loop }, { "chase", pointer_chase }, { "matrix", matrix_multiply },
	{ "strings", string_machine }, { "recursion", fibonacci }, { "syscalls", system_calls },
	{ "forkexec", fork_exec }, { "pagefaults", page_faults },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(KERNELS) / sizeof(*KERNELS); i++) {
		if (strcmp(argv[1], KERNELS[i].name) != 0)
			continue;
		uint64_t sum = KERNELS[i].run(atol(argv[2]));
		if (argc == 3)
			printf("%s %016llx\n", argv[1], (unsigned long long)sum);
		return 0;
	}
	fprintf(stderr, "kernels NAME COUNT\n");
	return 2;
}
