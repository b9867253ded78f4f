#include <gtest/gtest.h>

#include <csignal>

#include "base/log.h"
#include "base/secret.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  qanat::initialise_secret_memory();
  qanat::set_log_level(qanat::LogLevel::error);
  return RUN_ALL_TESTS();
}
