/*
 * Prints the clocks of an RTC device as Linux has them: "rtc SECONDS" from /dev/rtc1, "ptp N SECONDS" from each
 * /dev/ptpN, and "alarm SECONDS" once an alarm two seconds on has come.
 */
#include <fcntl.h>
#include <linux/rtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* The clock that a file of a PTP device stands for. */
#define CLOCK_OF(file) ((~(clockid_t)(file) << 3) | 3)

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static time_t read_rtc(int file) {
  /* The kernel's structure is the beginning of the C library's. */
  struct tm now = {0};
  check(ioctl(file, RTC_RD_TIME, &now) == 0, "RTC_RD_TIME");
  return timegm(&now);
}

int main(void) {
  int rtc = open("/dev/rtc1", O_RDONLY);
  check(rtc >= 0, "/dev/rtc1");
  time_t start = read_rtc(rtc);
  printf("rtc %ld\n", start);
  for (int i = 0; i < 3; i++) {
    char name[16];
    snprintf(name, sizeof name, "/dev/ptp%d", i);
    int ptp = open(name, O_RDWR);
    struct timespec now;
    check(ptp >= 0 && clock_gettime(CLOCK_OF(ptp), &now) == 0, name);
    printf("ptp %d %ld.%03ld\n", i, now.tv_sec, now.tv_nsec / 1000000);
  }
  struct rtc_wkalrm alarm = {.enabled = 1};
  time_t then = start + 2;
  struct tm when;
  gmtime_r(&then, &when);
  memcpy(&alarm.time, &when, sizeof alarm.time);
  check(ioctl(rtc, RTC_WKALM_SET, &alarm) == 0, "RTC_WKALM_SET");
  unsigned long events = 0;
  check(read(rtc, &events, sizeof events) == sizeof events && (events & RTC_AF), "read");
  printf("alarm %ld\n", read_rtc(rtc));
  return 0;
}
