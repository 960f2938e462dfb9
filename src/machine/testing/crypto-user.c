// What a program can ask of the kernel's ciphers and keys, whichever driver does the work:
//   cu DRIVER KEY IV FILE        encrypts FILE by AF_ALG, prints that, decrypts it again, compares
//   cu rsa KEYFILE ENCODING FILE with the private key of KEYFILE, in PKCS #8: encrypts and decrypts FILE,
//                                prints the signature of FILE if ENCODING has a hash, and verifies it
// What is no file is in hexadecimal digits.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SOL_ALG 279
#define MOST 65536
// The kernel wants to be told no more than there can be: a key of 1024 bits.
#define RSA_BYTES 128

struct sockaddr_alg {
	unsigned short family;
	unsigned char type[14];
	unsigned feature, mask;
	unsigned char name[64];
};

struct pkey_params {
	int key;
	unsigned in_length, out_length, spare[7];
};

static unsigned char data[MOST], made[MOST], back[MOST];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int parse(const char *digits, unsigned char *into)
{
	int length = strlen(digits) / 2;
	for (int i = 0; i < length; i++) {
		unsigned byte;
		sscanf(digits + 2 * i, "%2x", &byte);
		into[i] = byte;
	}
	return length;
}

static int load(const char *name, unsigned char *into, int most)
{
	FILE *file = fopen(name, "r");
	if (file == NULL) fail(name);
	return fread(into, 1, most, file);
}

static void print(const char *name, const unsigned char *bytes, int length)
{
	printf("%s=", name);
	for (int i = 0; i < length; i++) printf("%02x", bytes[i]);
	printf("\n");
}

static void run(int socket, int is_encryption, const unsigned char *iv, int iv_length,
		  unsigned char *from, unsigned char *to, int length)
{
	char control[CMSG_SPACE(4) + CMSG_SPACE(4 + 16)];
	struct iovec part = { from, length };
	struct msghdr message;
	memset(&message, 0, sizeof message);
	memset(control, 0, sizeof control);
	message.msg_control = control;
	message.msg_controllen = CMSG_SPACE(4) + (iv_length > 0 ? CMSG_SPACE(4 + 16) : 0);
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_ALG;
	header->cmsg_type = 3;
	header->cmsg_len = CMSG_LEN(4);
	*(int *)CMSG_DATA(header) = is_encryption;
	if (iv_length > 0) {
		header = CMSG_NXTHDR(&message, header);
		header->cmsg_level = SOL_ALG;
		header->cmsg_type = 2;
		header->cmsg_len = CMSG_LEN(4 + iv_length);
		*(int *)CMSG_DATA(header) = iv_length;
		memcpy(CMSG_DATA(header) + 4, iv, iv_length);
	}
	if (sendmsg(socket, &message, 0) != length) fail("sendmsg");
	for (int at = 0, got; at < length; at += got) {
		got = read(socket, to + at, length - at);
		if (got <= 0) fail("read");
	}
}

static int cipher(char **args)
{
	unsigned char key[64], iv[64];
	struct sockaddr_alg address = { AF_ALG, "skcipher" };
	int key_length = parse(args[1], key), iv_length = parse(args[2], iv), length = load(args[3], data, MOST);
	int base = socket(AF_ALG, SOCK_SEQPACKET, 0);
	strcpy((char *)address.name, args[0]);
	if (bind(base, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
	if (setsockopt(base, SOL_ALG, 1, key, key_length) != 0) fail("key");
	int operation = accept(base, NULL, NULL);
	if (operation < 0) fail("accept");
	run(operation, 1, iv, iv_length, data, made, length);
	print("made", made, length);
	run(operation, 0, iv, iv_length, made, back, length);
	printf("back=%s\n", memcmp(back, data, length) == 0 ? "same" : "other");
	return 0;
}

static int pkey(int operation, int key, char *info, int length, void *in, int out_length, void *out)
{
	struct pkey_params params = { key, length, out_length };
	return syscall(SYS_keyctl, operation, &params, info, in, out);
}

static int rsa(char **args)
{
	static unsigned char der[4096];
	int size = load(args[0], der, sizeof der);
	int key = syscall(SYS_add_key, "asymmetric", "key", der, size, -2);
	if (key < 0) fail("add_key");
	int length = load(args[2], data, MOST);
	int result = pkey(25, key, args[1], length, data, RSA_BYTES, made);
	if (result < 0) fail("encrypt");
	print("made", made, result);
	result = pkey(26, key, args[1], result, made, RSA_BYTES, back);
	if (result < 0) fail("decrypt");
	print("back", back, result);
	if (strstr(args[1], "hash=") == NULL) return 0;
	result = pkey(27, key, args[1], length, data, RSA_BYTES, made);
	if (result < 0) fail("sign");
	print("signed", made, result);
	printf("right=%d\n", pkey(28, key, args[1], length, data, result, made));
	made[9] ^= 1;
	printf("wrong=%d\n", pkey(28, key, args[1], length, data, result, made));
	return 0;
}

int main(int count, char **args)
{
	if (count == 5 && strcmp(args[1], "rsa") == 0) return rsa(args + 2);
	return count == 5 ? cipher(args + 1) : 2;
}
