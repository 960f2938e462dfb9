/* What `ethtool -k eth0` and `ethtool -l eth0` say; with a number, `ethtool -L eth0 combined N`. */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* From linux/sockios.h and linux/ethtool.h, which the guest has not. */
#define SIOCETHTOOL 0x8946
enum {
  ETHTOOL_GRXCSUM = 0x14,
  ETHTOOL_GTXCSUM = 0x16,
  ETHTOOL_GSG = 0x18,
  ETHTOOL_GTSO = 0x1e,
  ETHTOOL_GGSO = 0x23,
  ETHTOOL_GCHANNELS = 0x3c,
  ETHTOOL_SCHANNELS = 0x3d,
};
struct ethtool_value {
  unsigned cmd, data;
};
struct ethtool_channels {
  unsigned cmd, max_rx, max_tx, max_other, max_combined;
  unsigned rx_count, tx_count, other_count, combined_count;
};

static int ask(int s, void *data) {
  struct ifreq request = {0};
  strcpy(request.ifr_name, "eth0");
  request.ifr_data = data;
  return ioctl(s, SIOCETHTOOL, &request);
}

static unsigned value(int s, unsigned command) {
  struct ethtool_value v = {command};
  return ask(s, &v) ? 9 : v.data;
}

int main(int argc, char **argv) {
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  struct ethtool_channels channels = {ETHTOOL_GCHANNELS};
  ask(s, &channels);
  if (argc > 1) {
    channels.cmd = ETHTOOL_SCHANNELS;
    channels.combined_count = atoi(argv[1]);
    printf("set %d\n", ask(s, &channels));
  }
  printf("tx-checksum %u rx-checksum %u sg %u tso %u gso %u\n", value(s, ETHTOOL_GTXCSUM),
         value(s, ETHTOOL_GRXCSUM), value(s, ETHTOOL_GSG), value(s, ETHTOOL_GTSO), value(s, ETHTOOL_GGSO));
  printf("queues %u of %u\n", channels.combined_count, channels.max_combined);
  return 0;
}
