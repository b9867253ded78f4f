/* docs/client-library.md, docs/protocols/egd.md */
#define _GNU_SOURCE
#include "qanat/qanat.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  wait_command = 2, /* EGD: so many bytes, as they come */
  most_of_command = 255,
  most_outstanding = 64, /* questions that wait for an answer: 128 bytes, which any socket holds */
};

struct qanat_client {
  int fd;
  pid_t owner; /* whose connection it is */
  unsigned timeout_ms;
  char path[sizeof(((struct sockaddr_un*)0)->sun_path)];
  char error[256];
};

__attribute__((format(printf, 2, 3))) static int fail(qanat_client* q, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(q->error, sizeof q->error, format, arguments);
  va_end(arguments);
  return -1;
}

static void hang_up(qanat_client* q) {
  if (q->fd >= 0) close(q->fd);
  q->fd = -1;
}

/* `named`, or a file of that name where a node of this machine, or of this user, puts it. False
 * when it is longer than `size`. */
static int find_file(char* path, size_t size, const char* named, const char* name) {
  const char* runtime = secure_getenv("XDG_RUNTIME_DIR");
  int length = 0;
  if (named != NULL && *named != '\0') {
    length = snprintf(path, size, "%s", named);
  } else {
    length = snprintf(path, size, "/run/qanat/%s", name);
    if (access(path, F_OK) != 0 && runtime != NULL && *runtime != '\0') {
      length = snprintf(path, size, "%s/qanat/%s", runtime, name);
    }
  }
  return length >= 0 && (size_t)length < size;
}

static int find_socket(qanat_client* q, const char* socket_path) {
  const char* named = socket_path != NULL ? socket_path : secure_getenv("QANAT_SOCKET");
  if (!find_file(q->path, sizeof q->path, named, "egd")) {
    q->path[0] = '\0';
    return fail(q, "the path of the node's socket is longer than %zu characters",
                sizeof q->path - 1);
  }
  return 0;
}

static int connect_now(qanat_client* q) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  hang_up(q);
  if (q->path[0] == '\0') return fail(q, "there is no path of a node's socket");
  memcpy(name.sun_path, q->path, sizeof name.sun_path);
  q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (q->fd < 0) return fail(q, "cannot make a socket: %s", strerror(errno));
  q->owner = getpid();
  if (connect(q->fd, (const struct sockaddr*)&name, sizeof name) != 0) {
    fail(q,
         "cannot reach a qanat node at %s: %s; is 'qanat serve' running, and may we open its "
         "socket?",
         q->path, strerror(errno));
    hang_up(q);
    return -1;
  }
  return 0;
}

int qanat_connect(qanat_client** out, const char* socket_path) {
  qanat_client* q = calloc(1, sizeof *q);
  *out = q;
  if (q == NULL) return -1;
  q->fd = -1;
  q->timeout_ms = 30000;
  if (find_socket(q, socket_path) != 0) return -1;
  return connect_now(q);
}

static int ask(qanat_client* q, size_t bytes) {
  unsigned char questions[2 * most_outstanding];
  size_t count = 0;
  while (bytes > 0) {
    const size_t n = bytes < most_of_command ? bytes : (size_t)most_of_command;
    questions[count++] = wait_command;
    questions[count++] = (unsigned char)n;
    bytes -= n;
  }
  for (size_t sent = 0; sent < count;) {
    const ssize_t n = send(q->fd, questions + sent, count - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(q, "cannot ask the node at %s: %s", q->path, strerror(errno));
    sent += (size_t)n;
  }
  return 0;
}

static int hear(qanat_client* q, unsigned char* out, size_t bytes) {
  while (bytes > 0) {
    struct pollfd state = {.fd = q->fd, .events = POLLIN};
    const int ready = poll(&state, 1, q->timeout_ms == 0 ? -1 : (int)q->timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail(q, "poll: %s", strerror(errno));
    if (ready == 0) {
      return fail(q, "the node at %s gave nothing for %u ms; 'qanat status' shows why", q->path,
                  q->timeout_ms);
    }
    const ssize_t n = recv(q->fd, out, bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(q, "cannot read from the node at %s: %s", q->path, strerror(errno));
    if (n == 0) return fail(q, "the node at %s closed the connection", q->path);
    out += n;
    bytes -= (size_t)n;
  }
  return 0;
}

/* Whether the other end has hung up, or sent what nobody asked for. */
static int is_stale(const qanat_client* q) {
  struct pollfd state = {.fd = q->fd, .events = POLLIN};
  return poll(&state, 1, 0) != 0;
}

int qanat_get(qanat_client* q, void* out, size_t bytes) {
  unsigned char* at = out;
  size_t left = bytes;
  q->error[0] = '\0';
  /* A parent's connection is the parent's: two that read one stream would share its bytes at
   * random. */
  if (q->fd < 0 || q->owner != getpid() || is_stale(q)) {
    if (connect_now(q) != 0) {
      explicit_bzero(out, bytes);
      return -1;
    }
  }
  while (left > 0) {
    const size_t most = (size_t)most_of_command * most_outstanding;
    const size_t part = left < most ? left : most;
    if (ask(q, part) != 0 || hear(q, at, part) != 0) {
      /* Answers that come too late must not be taken for those of the next questions. */
      hang_up(q);
      explicit_bzero(out, bytes);
      return -1;
    }
    at += part;
    left -= part;
  }
  return 0;
}

void qanat_set_timeout(qanat_client* q, unsigned milliseconds) {
  const unsigned most = 0x7fffffff;
  q->timeout_ms = milliseconds < most ? milliseconds : most;
}

const char* qanat_error(const qanat_client* q) { return q == NULL ? "no memory" : q->error; }

/* The counter in a node's file (src/machine/generation.h), mapped; NULL without such a file. */
static const uint64_t* map_generation(void) {
  char path[256];
  struct stat info;
  const uint64_t* page = NULL;
  if (!find_file(path, sizeof path, secure_getenv("QANAT_GENERATION_FILE"), "generation"))
    return NULL;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  /* A shorter file would kill whoever reads beyond its end. */
  if (fstat(fd, &info) == 0 && info.st_size >= (off_t)sizeof *page) {
    void* mapped = mmap(NULL, sizeof *page, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) page = mapped;
  }
  close(fd);
  return page;
}

uint64_t qanat_generation(void) {
  static const uint64_t* counter;
  const uint64_t* page = __atomic_load_n(&counter, __ATOMIC_ACQUIRE);
  if (page == NULL) {
    const uint64_t* none = NULL;
    page = map_generation();
    if (page == NULL) return 0;
    if (!__atomic_compare_exchange_n(&counter, &none, page, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
      /* Another thread was faster. */
      munmap((void*)page, sizeof *page);
      page = none;
    }
  }
  return __atomic_load_n(page, __ATOMIC_ACQUIRE);
}

void qanat_close(qanat_client* q) {
  if (q == NULL) return;
  hang_up(q);
  free(q);
}
