/* An OpenSSL 3 provider: SEED-SRC and RAND from a node on this machine. docs/openssl-provider.md
 *
 * Interfaces: provider(7), provider-rand(7), provider-base(7). */
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "qanat/qanat.h"

enum {
  strength_bits = 256,
  /* libcrypto asks for more in pieces. */
  most_request = 65536,
  reason_no_bytes = 1,
};

/* One for each library context that loads the provider: one connection, shared by its threads. */
struct provider {
  const OSSL_CORE_HANDLE* core;
  OSSL_FUNC_core_new_error_fn* new_error;
  OSSL_FUNC_core_vset_error_fn* set_error;
  pthread_mutex_t mutex;
  qanat_client* node; /* NULL until the first request */
  char* socket;       /* of openssl.cnf; NULL: the usual one */
};

struct generator {
  struct provider* provider;
  int state; /* EVP_RAND_STATE_... */
};

static void raise_error(struct provider* provider, const char* format, ...) {
  va_list arguments;
  if (provider->new_error == NULL || provider->set_error == NULL) return;
  va_start(arguments, format);
  provider->new_error(provider->core);
  provider->set_error(provider->core, reason_no_bytes, format, arguments);
  va_end(arguments);
}

/* 1, or 0 and an error in OpenSSL's queue. */
static int draw(struct provider* provider, void* out, size_t bytes) {
  int drawn = 0;
  pthread_mutex_lock(&provider->mutex);
  if (provider->node == NULL) (void)qanat_connect(&provider->node, provider->socket);
  if (provider->node == NULL) {
    raise_error(provider, "no memory");
  } else if (qanat_get(provider->node, out, bytes) != 0) {
    raise_error(provider, "%s", qanat_error(provider->node));
  } else {
    drawn = 1;
  }
  pthread_mutex_unlock(&provider->mutex);
  return drawn;
}

/* RAND, and SEED-SRC: the same but for get_seed. */

static void* generator_new(void* provctx, void* parent, const OSSL_DISPATCH* parent_calls) {
  struct generator* generator = OPENSSL_zalloc(sizeof *generator);
  (void)parent; /* bytes of the node need no seed of ours */
  (void)parent_calls;
  if (generator == NULL) return NULL;
  generator->provider = provctx;
  generator->state = EVP_RAND_STATE_UNINITIALISED;
  return generator;
}

static void generator_free(void* context) { OPENSSL_free(context); }

static int generator_instantiate(void* context, unsigned strength, int prediction_resistance,
                                 const unsigned char* personal, size_t personal_bytes,
                                 const OSSL_PARAM* params) {
  struct generator* generator = context;
  (void)prediction_resistance, (void)personal, (void)personal_bytes, (void)params;
  if (strength > strength_bits) return 0;
  generator->state = EVP_RAND_STATE_READY;
  return 1;
}

static int generator_uninstantiate(void* context) {
  struct generator* generator = context;
  generator->state = EVP_RAND_STATE_UNINITIALISED;
  return 1;
}

static int generator_generate(void* context, unsigned char* out, size_t bytes, unsigned strength,
                              int prediction_resistance, const unsigned char* additional,
                              size_t additional_bytes) {
  struct generator* generator = context;
  (void)prediction_resistance, (void)additional, (void)additional_bytes;
  if (generator->state != EVP_RAND_STATE_READY || strength > strength_bits ||
      bytes > most_request) {
    return 0;
  }
  return draw(generator->provider, out, bytes);
}

static int generator_reseed(void* context, int prediction_resistance, const unsigned char* entropy,
                            size_t entropy_bytes, const unsigned char* additional,
                            size_t additional_bytes) {
  struct generator* generator = context;
  (void)prediction_resistance, (void)entropy, (void)entropy_bytes;
  (void)additional, (void)additional_bytes; /* nothing is kept that could take it */
  return generator->state == EVP_RAND_STATE_READY;
}

/* A seed for OpenSSL's own DRBGs. It frees it with clear_seed. */
static size_t generator_get_seed(void* context, unsigned char** out, int entropy_bits,
                                 size_t least_bytes, size_t most_bytes, int prediction_resistance,
                                 const unsigned char* additional, size_t additional_bytes) {
  struct generator* generator = context;
  size_t bytes = entropy_bits > 0 ? ((size_t)entropy_bits + 7) / 8 : 0;
  unsigned char* seed = NULL;
  (void)prediction_resistance, (void)additional, (void)additional_bytes;
  if (bytes < least_bytes) bytes = least_bytes;
  if (bytes == 0 || bytes > most_bytes) return 0;
  seed = OPENSSL_secure_malloc(bytes);
  if (seed == NULL) return 0;
  if (!draw(generator->provider, seed, bytes)) {
    OPENSSL_secure_clear_free(seed, bytes);
    return 0;
  }
  *out = seed;
  return bytes;
}

static void generator_clear_seed(void* context, unsigned char* seed, size_t bytes) {
  (void)context;
  OPENSSL_secure_clear_free(seed, bytes);
}

static int generator_enable_locking(void* context) {
  (void)context; /* always: the connection has its mutex */
  return 1;
}
static int generator_lock(void* context) {
  (void)context;
  return 1;
}
static void generator_unlock(void* context) { (void)context; }
static int generator_verify_zeroization(void* context) {
  (void)context;
  return 1;
}

static const OSSL_PARAM* generator_gettable(void* context, void* provctx) {
  static const OSSL_PARAM params[] = {
      OSSL_PARAM_int(OSSL_RAND_PARAM_STATE, NULL),
      OSSL_PARAM_uint(OSSL_RAND_PARAM_STRENGTH, NULL),
      OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, NULL),
      OSSL_PARAM_END,
  };
  (void)context, (void)provctx;
  return params;
}

static int generator_get_params(void* context, OSSL_PARAM params[]) {
  const struct generator* generator = context;
  OSSL_PARAM* p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
  if (p != NULL && !OSSL_PARAM_set_int(p, generator->state)) return 0;
  p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH);
  if (p != NULL && !OSSL_PARAM_set_uint(p, strength_bits)) return 0;
  p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST);
  if (p != NULL && !OSSL_PARAM_set_size_t(p, most_request)) return 0;
  return 1;
}

#define ENTRY(id, function) \
  { id, (void (*)(void))(function) }
#define COMMON                                                                                    \
  ENTRY(OSSL_FUNC_RAND_NEWCTX, generator_new), ENTRY(OSSL_FUNC_RAND_FREECTX, generator_free),     \
      ENTRY(OSSL_FUNC_RAND_INSTANTIATE, generator_instantiate),                                   \
      ENTRY(OSSL_FUNC_RAND_UNINSTANTIATE, generator_uninstantiate),                               \
      ENTRY(OSSL_FUNC_RAND_GENERATE, generator_generate),                                         \
      ENTRY(OSSL_FUNC_RAND_RESEED, generator_reseed),                                             \
      ENTRY(OSSL_FUNC_RAND_ENABLE_LOCKING, generator_enable_locking),                             \
      ENTRY(OSSL_FUNC_RAND_LOCK, generator_lock), ENTRY(OSSL_FUNC_RAND_UNLOCK, generator_unlock), \
      ENTRY(OSSL_FUNC_RAND_GETTABLE_CTX_PARAMS, generator_gettable),                              \
      ENTRY(OSSL_FUNC_RAND_GET_CTX_PARAMS, generator_get_params),                                 \
      ENTRY(OSSL_FUNC_RAND_VERIFY_ZEROIZATION, generator_verify_zeroization)

static const OSSL_DISPATCH rand_calls[] = {COMMON, {0, NULL}};
static const OSSL_DISPATCH seed_calls[] = {COMMON,
                                           ENTRY(OSSL_FUNC_RAND_GET_SEED, generator_get_seed),
                                           ENTRY(OSSL_FUNC_RAND_CLEAR_SEED, generator_clear_seed),
                                           {0, NULL}};

/* CTR-DRBG is what libcrypto looks for unless it is configured: so that a program which loads this
 * provider alone finds something. With others, "random = QANAT" or a property query names ours.
 * (Two entries: names of one entry are the same to libcrypto, and QANAT would find any provider's
 * CTR-DRBG.) */
static const OSSL_ALGORITHM rands[] = {
    {"QANAT", "provider=qanat", rand_calls, "bytes of a qanat node"},
    {"CTR-DRBG", "provider=qanat", rand_calls, "bytes of a qanat node"},
    {"SEED-SRC", "provider=qanat", seed_calls, "seeds of a qanat node"},
    {NULL, NULL, NULL, NULL}};

/* The provider itself. */

static void provider_teardown(void* context) {
  struct provider* provider = context;
  qanat_close(provider->node);
  pthread_mutex_destroy(&provider->mutex);
  OPENSSL_free(provider->socket);
  OPENSSL_free(provider);
}

static const OSSL_ALGORITHM* provider_query(void* context, int operation, int* no_cache) {
  (void)context;
  *no_cache = 0;
  return operation == OSSL_OP_RAND ? rands : NULL;
}

static const OSSL_PARAM* provider_gettable(void* context) {
  static const OSSL_PARAM params[] = {
      OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
      OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
      OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
      OSSL_PARAM_END,
  };
  (void)context;
  return params;
}

static int provider_get_params(void* context, OSSL_PARAM params[]) {
  OSSL_PARAM* p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
  (void)context;
  if (p != NULL && !OSSL_PARAM_set_utf8_ptr(p, "qanat")) return 0;
  p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
  if (p != NULL && !OSSL_PARAM_set_utf8_ptr(p, QANAT_VERSION)) return 0;
  p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
  return p == NULL || OSSL_PARAM_set_int(p, 1);
}

static const OSSL_ITEM* provider_reasons(void* context) {
  static const OSSL_ITEM reasons[] = {{reason_no_bytes, (void*)"no bytes from the node"},
                                      {0, NULL}};
  (void)context;
  return reasons;
}

static const OSSL_DISPATCH provider_calls[] = {
    ENTRY(OSSL_FUNC_PROVIDER_TEARDOWN, provider_teardown),
    ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
    ENTRY(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, provider_gettable),
    ENTRY(OSSL_FUNC_PROVIDER_GET_PARAMS, provider_get_params),
    ENTRY(OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, provider_reasons),
    {0, NULL}};

/* "socket = PATH" in the provider's section of openssl.cnf. */
static int read_configuration(struct provider* provider, OSSL_FUNC_core_get_params_fn* get_params) {
  char* path = NULL;
  OSSL_PARAM params[] = {OSSL_PARAM_utf8_ptr("socket", &path, 0), OSSL_PARAM_END};
  if (get_params == NULL || !get_params(provider->core, params) || path == NULL) return 1;
  provider->socket = OPENSSL_strdup(path);
  return provider->socket != NULL;
}

QANAT_API OSSL_provider_init_fn OSSL_provider_init;
int OSSL_provider_init(const OSSL_CORE_HANDLE* core, const OSSL_DISPATCH* in,
                       const OSSL_DISPATCH** out, void** provctx) {
  OSSL_FUNC_core_get_params_fn* get_params = NULL;
  struct provider* provider = OPENSSL_zalloc(sizeof *provider);
  if (provider == NULL) return 0;
  provider->core = core;
  for (; in->function_id != 0; ++in) {
    switch (in->function_id) {
      case OSSL_FUNC_CORE_GET_PARAMS:
        get_params = OSSL_FUNC_core_get_params(in);
        break;
      case OSSL_FUNC_CORE_NEW_ERROR:
        provider->new_error = OSSL_FUNC_core_new_error(in);
        break;
      case OSSL_FUNC_CORE_VSET_ERROR:
        provider->set_error = OSSL_FUNC_core_vset_error(in);
        break;
      default:
        break;
    }
  }
  if (pthread_mutex_init(&provider->mutex, NULL) != 0) {
    OPENSSL_free(provider);
    return 0;
  }
  if (!read_configuration(provider, get_params)) {
    provider_teardown(provider);
    return 0;
  }
  *out = provider_calls;
  *provctx = provider;
  return 1;
}
