/* Debian's xenstored without a hypervisor: preloaded, it stands in for what Xen's libraries ask of
 * one. XENSTUB names a directory:
 *   port, kva      in place of /proc/xen/xsd_port and xsd_kva
 *   rings/ID       a domain that exists, and the page that it shares with xenstored: requests at 0,
 *                  replies at 1024, then the counters (xs_wire.h, xenstore_domain_interface)
 *   bell           a FIFO: a byte there is an event on every channel, for xenstored; 'e': a domain has
 *                  ended, whose ring has gone
 *   chime          the same, from xenstored
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { page_bytes = 4096, ended_port = 1, first_port = 10 };

static int bell = -1;
static int next_port = first_port;

static const char *in_stub(const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("XENSTUB"), name);
  return path;
}

static int ring_of(uint32_t domain) {
  char name[32];
  snprintf(name, sizeof name, "rings/%u", domain);
  return open(in_stub(name), O_RDWR | O_CLOEXEC);
}

static const char *redirected(const char *path) {
  if (strcmp(path, "/proc/xen/xsd_port") == 0) return in_stub("port");
  if (strcmp(path, "/proc/xen/xsd_kva") == 0) return in_stub("kva");
  return path;
}

static int real_open(const char *name, const char *path, int flags, va_list more) {
  int (*const next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  return next(redirected(path), flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const int fd = real_open("open", path, flags, more);
  va_end(more);
  return fd;
}
int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const int fd = real_open("open64", path, flags, more);
  va_end(more);
  return fd;
}

/* It wants more descriptors than a container may give. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limits) {
  (void)resource, (void)limits;
  return 0;
}

void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags) {
  (void)logger, (void)dombuild_logger, (void)flags;
  return &bell;
}
int xc_interface_close(void *handle) {
  (void)handle;
  return 0;
}
/* The first member of xc_dominfo_t is the domain's id; the rest, 0, says that it runs. */
int xc_domain_getinfo(void *handle, uint32_t first, unsigned most, void *info) {
  (void)handle, (void)most;
  const int fd = first == 0 ? dup(0) : ring_of(first);
  if (fd < 0) return 0;
  close(fd);
  memset(info, 0, 64);
  memcpy(info, &first, sizeof first);
  return 1;
}

void *xenevtchn_open(void *logger, unsigned flags) {
  (void)logger, (void)flags;
  bell = open(in_stub("bell"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return &bell;
}
void *xenevtchn_fdopen(void *logger, int fd, unsigned flags) {
  (void)fd;
  return xenevtchn_open(logger, flags);
}
int xenevtchn_fd(void *handle) {
  (void)handle;
  return bell;
}
int xenevtchn_bind_interdomain(void *handle, uint32_t domain, uint32_t port) {
  (void)handle, (void)domain, (void)port;
  return next_port++;
}
int xenevtchn_bind_virq(void *handle, unsigned virq) {
  (void)handle, (void)virq;
  return ended_port;
}
int xenevtchn_unbind(void *handle, uint32_t port) {
  (void)handle, (void)port;
  return 0;
}
int xenevtchn_notify(void *handle, uint32_t port) {
  static int chime = -1;
  (void)handle, (void)port;
  if (chime < 0) chime = open(in_stub("chime"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return write(chime, "", 1) == 1 ? 0 : -1;
}
int xenevtchn_unmask(void *handle, uint32_t port) {
  (void)handle, (void)port;
  return 0;
}
/* xenstored looks at all rings, whatever the port. */
int xenevtchn_pending(void *handle) {
  char byte;
  (void)handle;
  if (read(bell, &byte, 1) != 1) return -1;
  return byte == 'e' ? ended_port : first_port;
}

void *xengnttab_open(void *logger, unsigned flags) {
  (void)logger, (void)flags;
  return &bell;
}
int xengnttab_close(void *handle) {
  (void)handle;
  return 0;
}
int xengnttab_set_max_grants(void *handle, uint32_t most) {
  (void)handle, (void)most;
  return 0;
}
void *xengnttab_map_grant_ref(void *handle, uint32_t domain, uint32_t reference, int protection) {
  (void)handle, (void)reference;
  const int fd = ring_of(domain);
  if (fd < 0) return NULL;
  void *const page = mmap(NULL, page_bytes, protection, MAP_SHARED, fd, 0);
  close(fd);
  return page == MAP_FAILED ? NULL : page;
}
int xengnttab_unmap(void *handle, void *page, uint32_t pages) {
  (void)handle, (void)pages;
  return munmap(page, page_bytes);
}
