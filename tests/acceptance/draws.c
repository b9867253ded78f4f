/* A program in a guest: draws UUIDs of the kernel's in a tight loop, and keeps each with the time of the
 * guest's clock. At SIGUSR1 it writes them all to the file that it was given, and ends.
 *
 * The head of what it keeps stands in one page, so that its numbers at the time of a snapshot can be read
 * in the snapshot (clones.py looks for the magic). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { places = 1 << 19 };

struct head {
  char magic[24];
  volatile uint64_t begun, done;     /* draws */
  volatile uint64_t last_ns;         /* when the last was done */
};
struct draw {
  uint64_t ns;
  uint8_t uuid[16];
};

static volatile sig_atomic_t enough;
static void stop(int signal) {
  (void)signal;
  enough = 1;
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void put(int fd, const void* data, size_t size) {
  const char* at = data;
  while (size > 0) {
    const ssize_t n = write(fd, at, size);
    if (n <= 0) _exit(1);
    at += n;
    size -= (size_t)n;
  }
}

int main(int argc, char** argv) {
  struct head* head = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  static struct draw draws[places];
  const int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY);
  if (argc != 2 || head == MAP_FAILED || fd < 0) return 2;
  memset(draws, 1, sizeof draws);
  mlockall(MCL_CURRENT);
  signal(SIGUSR1, stop);
  memcpy(head->magic, "qanat's draws of ", 17);
  memcpy(head->magic + 17, "UUIDs", 6); /* in two parts: the magic stands nowhere else */
  while (!enough) {
    char text[64];
    head->begun = head->begun + 1;
    if (pread(fd, text, sizeof text, 0) < 36) return 3;
    struct draw* draw = &draws[head->done % places];
    for (int i = 0, at = 0; i < 16; ++i, at += 2) {
      if (text[at] == '-') ++at;
      unsigned byte = 0;
      for (int k = 0; k < 2; ++k) {
        const char c = text[at + k];
        byte = byte << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
      }
      draw->uuid[i] = (uint8_t)byte;
    }
    draw->ns = head->last_ns = now_ns();
    head->done = head->done + 1;
  }
  const int out = open(argv[1], O_WRONLY);
  if (out < 0) return 4;
  const uint64_t place_count = places;
  put(out, head, sizeof *head);
  put(out, &place_count, sizeof place_count);
  put(out, draws, sizeof draws);
  return 0;
}
