/* Random bytes from a qanat node on this machine, over its EGD socket.
 *
 *     qanat_client *q;
 *     unsigned char key[32];
 *     if (qanat_connect(&q, NULL) != 0 || qanat_get(q, key, sizeof key) != 0)
 *       fprintf(stderr, "%s\n", qanat_error(q));
 *     qanat_close(q);
 *
 * For programs that may not use the kernel's generator, or should not trust it: containers without
 * it, clones of a snapshot. The socket's node decides the grade: full-entropy bytes, which may be
 * waited for, or those of its DRBG.
 *
 * Threads: one handle, one thread at a time. Different handles share nothing.
 * fork: a child that uses a handle gets a connection of its own; no byte is given to both.
 *
 * Link with: pkg-config --cflags --libs qanat
 */
#ifndef QANAT_QANAT_H
#define QANAT_QANAT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QANAT_API __attribute__((visibility("default")))
#else
#define QANAT_API
#endif

typedef struct qanat_client qanat_client;

/* Makes a handle and connects it. 0; or -1, and then *out is a handle whose qanat_error tells why
 * (NULL only when there is no memory): a later qanat_get tries again. Either way the caller closes
 * it. socket: a path; NULL: what QANAT_SOCKET says (unless the program is setuid), else
 * /run/qanat/egd, else $XDG_RUNTIME_DIR/qanat/egd. */
QANAT_API int qanat_connect(qanat_client** out, const char* socket);

/* Writes `bytes` random bytes to `out`, all of them (0) or none (-1: `out` is wiped). Blocks until
 * they are there, at most the timeout after the last that came. Connects again, once, when the node
 * has been restarted. */
QANAT_API int qanat_get(qanat_client* q, void* out, size_t bytes);

/* How long qanat_get waits for the next bytes: milliseconds, 30,000 at first; 0: for ever. */
QANAT_API void qanat_set_timeout(qanat_client* q, unsigned milliseconds);

/* What went wrong in the last call, one line; "" when nothing did. Valid until the next call with
 * q. */
QANAT_API const char* qanat_error(const qanat_client* q);

/* Ends the connection and frees q; NULL is allowed. */
QANAT_API void qanat_close(qanat_client* q);

/* Which life of this machine this is: a number that goes up whenever its node has seeded it anew,
 * as it may be a copy of another (a clone of a snapshot), after the kernel has the new seed. 0
 * where no node tells. A program that keeps random bytes for later use, or a generator of its own,
 * asks before it takes them and again before it uses them:
 *
 *     uint64_t generation = qanat_generation();
 *     fill(cache);
 *     ...
 *     if (qanat_generation() != generation) { generation = qanat_generation(); fill(cache); }
 *     use(cache);
 *
 * One load from memory, once a node has run; until then a look for its file. Any thread, no handle.
 * The file: $QANAT_GENERATION_FILE (unless the program is setuid), else /run/qanat/generation, else
 * $XDG_RUNTIME_DIR/qanat/generation. */
QANAT_API uint64_t qanat_generation(void);

#ifdef __cplusplus
}
#endif

#endif
