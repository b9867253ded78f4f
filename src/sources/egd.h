// Another machine's or program's EGD, as a source. docs/protocols/egd.md.
#pragma once

#include <string>

#include "sources/source.h"
#include "wire/spec.h"

namespace qanat::sources {

// Asks for 255 bytes at a time, waiting. Nobody vouches for the peer: credited 0 unless the
// operator says otherwise.
class Egd final : public Source {
 public:
  // A UNIX socket when `path` is not empty, else TCP.
  Egd(std::string path, wire::Address address)
      : path_(std::move(path)), address_(std::move(address)) {}

  Result<void> open() override;
  Result<std::size_t> read(MutableBytes out, const Waker& waker) override;
  void close() override;
  int descriptor() const override { return fd_.get(); }

 private:
  std::string name() const { return path_.empty() ? address_.text() : path_; }

  const std::string path_;
  const wire::Address address_;
  UniqueFd fd_;
  std::size_t expected_ = 0;  // bytes that were asked for and have not come
};

}  // namespace qanat::sources
