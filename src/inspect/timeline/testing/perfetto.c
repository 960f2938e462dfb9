/*
 * Asks Perfetto's trace processor about a trace: perfetto LIBRARY TRACE QUERY...
 *
 * The library is libtest_trace_processor.so of Debian's package chromium-shell, with which Chromium's tests read
 * their traces; it exports three functions of C++, and their names and the layouts below are those of its C++ library's
 * first ABI. Each query's answer is printed as lines of fields with tabs between them, the names of the columns first,
 * and an empty line after it. Ends with 1 if the trace or a query is wrong, and with 2 if there is no such library.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vector { char *begin, *end, *capacity; };
/* With more than 22 bytes; a shorter one has its length and its bytes in the place of these. */
struct string { uintptr_t capacity_or_1, size; const char *data; };
struct answer { struct vector rows; struct string error; };

static void *function(void *library, const char *name)
{
	void *address = dlsym(library, name);

	if (!address) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return address;
}

static size_t print(FILE *to, const struct string *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	int is_long = bytes[0] & 1;
	size_t size = is_long ? text->size : bytes[0] >> 1;

	fwrite(is_long ? text->data : (const char *)bytes + 1, 1, size, to);
	return size;
}

static struct vector contents(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct vector bytes;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0) {
		perror(path);
		exit(1);
	}
	rewind(file);
	bytes.begin = malloc(size + 1);
	bytes.end = bytes.capacity = bytes.begin + fread(bytes.begin, 1, size, file);
	fclose(file);
	return bytes;
}

int main(int count, char **arguments)
{
	/* Objects of classes of its own: larger than they are. */
	static uintptr_t processor[64], status[64];
	void *library = count > 2 ? dlopen(arguments[1], RTLD_NOW) : NULL;

	if (!library) {
		fprintf(stderr, "%s\n", count > 2 ? dlerror() : "usage: perfetto LIBRARY TRACE QUERY...");
		return 2;
	}
	void (*create)(void *) = function(library, "_ZN4base4test22TestTraceProcessorImplC1Ev");
	void (*parse)(void *, void *, const struct vector *) = function(library,
		"_ZN4base4test22TestTraceProcessorImpl10ParseTraceERKNSt3__16vectorIcNS2_9allocatorIcEEEE");
	void (*execute)(struct answer *, const void *, const struct string *) = function(library,
		"_ZNK4base4test22TestTraceProcessorImpl12ExecuteQueryERKNSt3__112basic_stringIcNS2_11char_traitsIcEE"
		"NS2_9allocatorIcEEEE");

	create(processor);
	struct vector trace = contents(arguments[2]);
	parse(status, processor, &trace);
	if (status[0] != 1) {
		fprintf(stderr, "%s is no trace\n", arguments[2]);
		return 1;
	}
	for (int i = 3; i < count; i++) {
		/* With an even capacity, in which the lowest bit says that it is long. */
		struct string query = { (strlen(arguments[i]) + 2) | 1, strlen(arguments[i]), arguments[i] };
		struct answer answer;

		memset(&answer, 0, sizeof(answer));
		execute(&answer, processor, &query);
		if (print(stderr, &answer.error) > 0)
			return 1;
		for (char *row = answer.rows.begin; row < answer.rows.end; row += sizeof(struct vector)) {
			struct vector *fields = (struct vector *)row;

			for (char *field = fields->begin; field < fields->end; field += sizeof(struct string)) {
				if (field > fields->begin)
					putchar('\t');
				print(stdout, (struct string *)field);
			}
			putchar('\n');
		}
		putchar('\n');
	}
	return 0;
}
