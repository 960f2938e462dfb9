/*
 * Maps a file: what is stored in a shared mapping is in the file, in a private one only there, also in a child that
 * ends with both still mapped. Prints "mapped ok".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (3 << 20)

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static char *map(int file, int how) {
  char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, how, file, 0);
  check(at != MAP_FAILED, "mmap");
  return at;
}

int main(int argc, char **argv) {
  int file = open(argv[1], O_RDWR | O_CREAT, 0644);
  check(file >= 0 && ftruncate(file, SIZE) == 0, "open");
  char *shared = map(file, MAP_SHARED);
  char *own = map(file, MAP_PRIVATE);
  for (int i = 0; i < SIZE; i += 512) shared[i] = i >> 9;
  check(own[1024] == 2, "the private mapping shows the file");
  strcpy(own, "private");
  pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    strcpy(shared, "by the child");
    strcpy(own + 4096, "private");
    exit(0);
  }
  int status;
  check(wait(&status) == child && status == 0, "wait");
  check(strcmp(shared, "by the child") == 0 && own[4096] == 8, "the child's stores");
  check(msync(shared, SIZE, MS_SYNC) == 0 && munmap(own, SIZE) == 0, "msync");
  char text[16];
  check(pread(file, text, sizeof text, 0) == sizeof text && strcmp(text, "by the child") == 0, "pread");
  check(pwrite(file, "by a request", 13, 0) == 13 && strcmp(shared, "by a request") == 0, "pwrite");
  check(fsync(file) == 0, "fsync");
  puts("mapped ok");
  return 0;
}
