/* What a test may tell the made-up PKCS#11 module (pkcs11_module.c), and learn from it: a variable
 * that it exports. */
#pragma once

#ifdef __cplusplus
#include <atomic>
typedef std::atomic<unsigned long> fake_number;
#else
#include <stdatomic.h>
typedef atomic_ulong fake_number;
#endif

struct fake_token {
  /* What it answers: CKR_... */
  fake_number initialize, login, generate;
  fake_number lost_after;  /* so many calls more, then each session is; 0: never */
  fake_number lost_with;   /* CKR_... of a session that is lost */
  fake_number wants_login; /* 1: else CKR_USER_NOT_LOGGED_IN */
  fake_number flags;       /* of the token: CKF_... */
  fake_number tokens;      /* how many there are: "fake0", "fake1", ... */
  fake_number hangs;       /* 1: C_GenerateRandom does not return */
  /* What was asked of it. */
  fake_number logins, sessions, largest;
};
