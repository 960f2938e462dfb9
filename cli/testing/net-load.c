/* Moves bytes over TCP and says how fast: net-load send|receive ADDRESS PORT BYTES. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 18];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  struct sockaddr_in to = {AF_INET, htons(atoi(argv[3]))};
  inet_aton(argv[2], &to.sin_addr);
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(s, (struct sockaddr *)&to, sizeof to) != 0) return 1;
  long total = atol(argv[4]), done = 0, n;
  double start = now();
  if (*argv[1] == 's') {
    for (long i = 0; i < sizeof block; i++) block[i] = i * 7 + (i >> 8);
    while (done < total && (n = write(s, block, sizeof block)) > 0) done += n;
    shutdown(s, SHUT_WR);
    /* The other end closes when it has everything. */
    while (read(s, block, 1) > 0) continue;
  } else {
    while ((n = read(s, block, sizeof block)) > 0) done += n;
  }
  printf("%ld bytes, %.1f MB/s\n", done, done / 1e6 / (now() - start));
  return 0;
}
