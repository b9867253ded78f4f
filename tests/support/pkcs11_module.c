/* A PKCS#11 module that behaves as it is told (pkcs11_module.h): pulled out, logged out, hanging. */
#include "support/pkcs11_module.h"

#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

__attribute__((visibility("default"))) struct fake_token fake_token;

static unsigned long lost; /* sessions up to this one */
static unsigned long logged_in;
static unsigned long long state = 1;

static void blanks(CK_UTF8CHAR *field, size_t size, const char *text) {
  memset(field, ' ', size);
  memcpy(field, text, strlen(text));
}

static CK_RV initialize(void *arguments) {
  (void)arguments;
  return fake_token.initialize;
}

static CK_RV finalize(void *reserved) {
  (void)reserved;
  logged_in = 0;
  return CKR_OK;
}

static CK_RV get_info(CK_INFO *info) {
  memset(info, 0, sizeof *info);
  info->cryptokiVersion.major = 2;
  blanks(info->manufacturerID, sizeof info->manufacturerID, "test");
  blanks(info->libraryDescription, sizeof info->libraryDescription, "made up");
  return CKR_OK;
}

static CK_RV get_slot_list(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *count) {
  (void)present;
  if (slots != NULL) {
    if (*count < fake_token.tokens) return CKR_BUFFER_TOO_SMALL;
    for (CK_ULONG i = 0; i < fake_token.tokens; ++i) slots[i] = i;
  }
  *count = fake_token.tokens;
  return CKR_OK;
}

static CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO *info) {
  (void)slot;
  memset(info, 0, sizeof *info);
  blanks(info->slotDescription, sizeof info->slotDescription, "slot");
  blanks(info->manufacturerID, sizeof info->manufacturerID, "test");
  info->flags = CKF_TOKEN_PRESENT;
  return CKR_OK;
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info) {
  char name[16];
  memset(info, 0, sizeof *info);
  snprintf(name, sizeof name, "fake%lu", slot);
  blanks(info->label, sizeof info->label, name);
  blanks(info->manufacturerID, sizeof info->manufacturerID, "test");
  blanks(info->model, sizeof info->model, "none");
  blanks(info->serialNumber, sizeof info->serialNumber, name + 4);
  info->flags = fake_token.flags;
  return CKR_OK;
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *with, CK_NOTIFY notify, CK_SESSION_HANDLE *session) {
  (void)flags, (void)with, (void)notify;
  if (slot >= fake_token.tokens) return CKR_SLOT_ID_INVALID;
  *session = ++fake_token.sessions;
  return CKR_OK;
}

static CK_RV close_session(CK_SESSION_HANDLE session) {
  (void)session;
  logged_in = 0;
  return CKR_OK;
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG size) {
  (void)session, (void)user, (void)pin, (void)size;
  ++fake_token.logins;
  logged_in = fake_token.login == CKR_OK;
  return fake_token.login;
}

static CK_RV generate_random(CK_SESSION_HANDLE session, CK_BYTE *bytes, CK_ULONG size) {
  while (fake_token.hangs) thrd_sleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  if (size > fake_token.largest) fake_token.largest = size;
  if (fake_token.lost_after != 0 && --fake_token.lost_after == 0) {
    lost = session;
    logged_in = 0;
  }
  if (session <= lost) return fake_token.lost_with;
  if (fake_token.wants_login && !logged_in) return CKR_USER_NOT_LOGGED_IN;
  if (fake_token.generate != CKR_OK) return fake_token.generate;
  /* splitmix64: noise enough for any test of health. */
  for (CK_ULONG i = 0; i < size; ++i) {
    unsigned long long word = state += 0x9e3779b97f4a7c15ULL;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
    bytes[i] = (CK_BYTE)(word ^ (word >> 31));
  }
  return CKR_OK;
}

static CK_RV get_function_list(CK_FUNCTION_LIST **list);

static CK_FUNCTION_LIST functions = {
    .version = {2, 40},
    .C_Initialize = initialize,
    .C_Finalize = finalize,
    .C_GetInfo = get_info,
    .C_GetFunctionList = get_function_list,
    .C_GetSlotList = get_slot_list,
    .C_GetSlotInfo = get_slot_info,
    .C_GetTokenInfo = get_token_info,
    .C_OpenSession = open_session,
    .C_CloseSession = close_session,
    .C_Login = login,
    .C_GenerateRandom = generate_random,
};

static CK_RV get_function_list(CK_FUNCTION_LIST **list) {
  *list = &functions;
  return CKR_OK;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) { return get_function_list(list); }
