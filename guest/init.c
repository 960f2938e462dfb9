// SPDX-License-Identifier: MIT
//
// The first program of the guest. It puts the root file system together and hands over to busybox's init:
//
//     /  =  overlay of   a disk's ext4, or a tmpfs    what the guest writes
//                        extras.squashfs              compressed programs and modules
//                        the initramfs                busybox and small files
//
// It is a C program and not a script because every fork and exec costs milliseconds in an emulator, and
// this one needs none unless a disk has to be formatted or repaired. It is built with the kernel's own
// nolibc headers, so it is a few kilobytes long and needs no library.

#include "nolibc.h"

// Linux 7 has another name for it.
#ifndef my_syscall3
#define my_syscall3 __nolibc_syscall3
#endif

#include <asm/unistd.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <linux/sockios.h>

#define EXTRAS_IMAGE "/usr/lib/tabvisor/extras.squashfs"
#define EXTRAS       "/run/layers/extras"
#define DISK         "/run/layers/disk"
#define NEW_ROOT     "/mnt"
#define DEVICE       "/dev/vda"

// A disk is blank, and may be formatted, if its first and last mebibyte hold nothing but zeros. That covers
// partition tables, the second copy of a GPT, and the superblocks of all file systems we know of.
#define BLANK_SPAN (1024 * 1024)

#define MNT_DETACH  2
#define AF_INET     2
#define SOCK_DGRAM  2
#define IFF_UP      0x1
#define IFF_RUNNING 0x40

enum content { UNREADABLE, BLANK, EXT4, FOREIGN };

static void say(const char *text, const char *detail)
{
	printf("tabvisor: %s%s\n", text, detail);
}

// ---------------------------------------------------------------- the kernel's command line

static char cmdline[4097];

static void read_cmdline(void)
{
	int fd = open("/proc/cmdline", O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, cmdline, sizeof cmdline - 1);
	close(fd);
	// The kernel ends the line with a newline; a space after the last word makes the search below simple.
	if (n > 0)
		cmdline[n - 1] = ' ';
}

// The value of the word `name=value`, in `value`; 0 if there is none.
static int parameter(const char *name, char *value, size_t size)
{
	size_t len = strlen(name);
	const char *p = cmdline;

	while (*p) {
		const char *end = strchr(p, ' ');

		if (!end)
			break;
		if (!strncmp(p, name, len) && p[len] == '=') {
			size_t n = end - (p + len + 1);

			if (n >= size)
				return 0;
			memcpy(value, p + len + 1, n);
			value[n] = 0;
			return 1;
		}
		p = end + 1;
	}
	return 0;
}

// ---------------------------------------------------------------- layers

static int mount_extras(void)
{
	struct loop_config config;
	char node[24] = "/dev/loop";
	int control, loop, image, number;

	image = open(EXTRAS_IMAGE, O_RDONLY);
	if (image < 0)
		return 0;
	control = open("/dev/loop-control", O_RDWR);
	number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE, 0);
	if (number < 0)
		return 0;
	itoa_r(number, node + 9);
	loop = open(node, O_RDONLY);
	memset(&config, 0, sizeof config);
	config.fd = image;
	config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
	if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, &config) < 0)
		return 0;
	number = mount(node, EXTRAS, "squashfs", MS_RDONLY | MS_NODEV, 0);
	close(loop);
	close(image);
	close(control);
	return number == 0;
}

// Runs a program of the extras layer inside that layer, and returns its exit code.
static int run_in_extras(char *const argv[])
{
	char *const env[] = { "PATH=/usr/bin", 0 };
	int status = -1;
	pid_t pid;

	mount("/dev", EXTRAS "/dev", 0, MS_BIND, 0);
	pid = fork();
	if (pid == 0) {
		if (chroot(EXTRAS) == 0 && chdir("/") == 0)
			execve(argv[0], argv, env);
		exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	umount2(EXTRAS "/dev", MNT_DETACH);
	return pid > 0 && (status & 0x7f) == 0 ? (status >> 8) & 0xff : 127;
}

static int is_zero(int fd, off_t from, off_t length)
{
	static uint64_t buffer[8192];

	if (lseek(fd, from, SEEK_SET) != from)
		return 0;
	while (length > 0) {
		ssize_t want = length < (off_t)sizeof buffer ? length : (off_t)sizeof buffer;
		ssize_t n = read(fd, buffer, want);

		if (n != want || n % 8)
			return 0;
		for (ssize_t i = 0; i < n / 8; i++)
			if (buffer[i])
				return 0;
		length -= n;
	}
	return 1;
}

static enum content look_at_disk(int fd)
{
	unsigned char superblock[4096];
	uint64_t size;

	if (ioctl(fd, BLKGETSIZE64, &size) < 0 || read(fd, superblock, sizeof superblock) != sizeof superblock)
		return UNREADABLE;
	if (superblock[1080] == 0x53 && superblock[1081] == 0xef)
		return EXT4;
	if (size <= BLANK_SPAN)
		return is_zero(fd, 0, size) ? BLANK : FOREIGN;
	return is_zero(fd, 0, BLANK_SPAN) && is_zero(fd, size - BLANK_SPAN, BLANK_SPAN) ? BLANK : FOREIGN;
}

// The inode tables of a disk that was blank need not be cleared behind the user's back: it would only make
// the stored disk bigger.
static int mount_ext4(void)
{
	return mount(DEVICE, DISK, "ext4", MS_NOATIME, "noinit_itable");
}

static int mount_disk(void)
{
	char *const format[] = { "/usr/bin/mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", "tabvisor",
		"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", DEVICE, 0 };
	char *const check[] = { "/usr/bin/e2fsck", "-p", DEVICE, 0 };
	int fd = open(DEVICE, O_RDONLY);
	enum content content;

	if (fd < 0)
		return 0;
	content = look_at_disk(fd);
	close(fd);
	if (content == UNREADABLE) {
		say("the disk cannot be read; what you write now is kept in memory only", "");
		return 0;
	}
	if (content == FOREIGN) {
		say("the disk holds something that is not ext4 and is left alone; what you write is kept in memory only.\n"
		    "tabvisor: to give it to the system, erase it: mkfs.ext4 ", DEVICE);
		return 0;
	}
	if (content == BLANK) {
		say("formatting the blank disk", "");
		if (run_in_extras(format) != 0) {
			say("formatting failed; what you write now is kept in memory only", "");
			return 0;
		}
	}
	if (mount_ext4() == 0)
		return 1;
	if (errno == EACCES || errno == EROFS) {
		say("the disk is read-only; what you write now is kept in memory only", "");
		return 0;
	}
	say("the disk's file system is checked", "");
	// Exit codes 0, 1 and 2 mean: clean, repaired, repaired with a reboot advised for a mounted root.
	if (run_in_extras(check) <= 2 && mount_ext4() == 0)
		return 1;
	say("the disk's file system cannot be mounted; it is left as it is, and what you write is kept in memory only.\n"
	    "tabvisor: to repair it: e2fsck -f ", DEVICE);
	return 0;
}

static int mount_root(int have_extras)
{
	char options[160] = "lowerdir=";

	if (mkdir(DISK "/upper", 0755) < 0 && errno != EEXIST)
		return 0;
	if (mkdir(DISK "/work", 0755) < 0 && errno != EEXIST)
		return 0;
	if (have_extras)
		strlcat(options, EXTRAS ":", sizeof options);
	strlcat(options, "/,upperdir=" DISK "/upper,workdir=" DISK "/work", sizeof options);
	return mount("overlay", NEW_ROOT, "overlay", 0, options) == 0;
}

// ---------------------------------------------------------------- the rest of the system

// The kernel opened the initramfs's /dev/console, which has no name any more that `tty` could find. It must be
// the console again and not the terminal behind it: when a shell ends, its terminal is hung up for all who have
// it open, process 1 included, and only the console is spared.
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0)
		return;
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	close(fd);
}

static void loopback_up(void)
{
	// <linux/if.h> wants a C library; this is its struct ifreq with the one member that matters.
	struct { char name[16]; short flags; char rest[22]; } request = { "lo", IFF_UP | IFF_RUNNING, "" };
	int fd = my_syscall3(__NR_socket, AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		return;
	ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
}

int main(void)
{
	static char program[256], session[280] = "TABVISOR_INIT=";
	char *env[] = { "HOME=/root", "TERM=xterm-256color", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		0, 0 };
	char *argv[] = { program, 0 };
	char choice[16] = "";
	int have_extras, have_disk;

	mount("devtmpfs", "/dev", "devtmpfs", 0, 0);
	mount("proc", "/proc", "proc", 0, 0);
	mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	mkdir("/run/layers", 0755);
	mkdir(EXTRAS, 0755);
	mkdir(DISK, 0755);
	read_cmdline();

	have_extras = mount_extras();
	if (!have_extras)
		say("the extra programs and modules could not be mounted", "");
	parameter("tabvisor.disk", choice, sizeof choice);
	have_disk = strcmp(choice, "none") != 0 && mount_disk();
	if (!have_disk || !mount_root(have_extras)) {
		if (have_disk) {
			say("the disk cannot be the upper layer; what you write now is kept in memory only", "");
			umount2(DISK, MNT_DETACH);
		}
		mount("tmpfs", DISK, "tmpfs", MS_NODEV, "mode=755");
		if (!mount_root(have_extras))
			say("no root file system; expect trouble", "");
	}

	mount("/dev", NEW_ROOT "/dev", 0, MS_MOVE, 0);
	mount("/proc", NEW_ROOT "/proc", 0, MS_MOVE, 0);
	mount("/run", NEW_ROOT "/run", 0, MS_MOVE, 0);
	if (chdir(NEW_ROOT) == 0 && mount(".", "/", 0, MS_MOVE, 0) == 0) {
		chroot(".");
		chdir("/");
	}
	mount("sysfs", "/sys", "sysfs", 0, 0);
	mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=666,mode=620,gid=5");
	mkdir("/dev/shm", 01777);
	mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("fd/0", "/dev/stdin");
	symlink("fd/1", "/dev/stdout");
	symlink("fd/2", "/dev/stderr");
	open_console();
	loopback_up();

	// The login shell's profile runs this program in place of an interactive shell.
	if (parameter("tabvisor.init", program, sizeof program)) {
		strlcat(session, program, sizeof session);
		env[3] = session;
	}
	if (parameter("init", program, sizeof program)) {
		execve(program, argv, env);
		say("cannot run ", program);
	}
	memcpy(program, "/sbin/init", 11);
	execve(program, argv, env);
	memcpy(program, "/bin/sh", 8);
	execve(program, argv, env);
	say("no init and no shell in the root file system", "");
	return 1;
}
