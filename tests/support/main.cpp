#include <gtest/gtest.h>

#include <csignal>

#include "base/log.h"
#include "base/secret.h"

#ifdef __SANITIZE_THREAD__
// p11-kit destroys its locks at the end of the process. What a module that hangs was left with, a
// thread of ours, used them, and nobody has waited for it.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "called_from_lib:libp11-kit.so\n"; }
#endif

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  qanat::initialise_secret_memory();
  qanat::set_log_level(qanat::LogLevel::error);
  return RUN_ALL_TESTS();
}
