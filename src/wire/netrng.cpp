#include "wire/netrng.h"

#include <algorithm>
#include <optional>

namespace qanat::wire::netrng {
namespace {

// Of https://github.com/msgpack/msgpack/blob/master/spec.md and its older raw type, as far as these
// messages can have it. Each function reads one thing at the front of `rest`; false when it is not
// all there, or is not one: `wrong` tells which.
class Reader {
 public:
  explicit Reader(Bytes in) : rest_(in) {}

  bool wrong() const { return wrong_; }
  std::size_t left() const { return rest_.size(); }

  bool map(std::size_t& pairs) {
    std::uint8_t tag = 0;
    if (!byte(tag)) return false;
    if ((tag & 0xf0U) == 0x80) {
      pairs = tag & 0x0fU;
      return true;
    }
    return fail();
  }

  bool string(std::string_view& out) {
    Bytes bytes;
    if (!raw(bytes)) return false;
    out = as_text(bytes);
    return true;
  }

  // fixraw, str 8/16/32, bin 8/16/32.
  bool raw(Bytes& out) {
    std::uint8_t tag = 0;
    if (!byte(tag)) return false;
    std::size_t length = 0;
    if ((tag & 0xe0U) == 0xa0) {
      length = tag & 0x1fU;
    } else if (tag == 0xd9 || tag == 0xc4) {
      if (!number(1, length)) return false;
    } else if (tag == 0xda || tag == 0xc5) {
      if (!number(2, length)) return false;
    } else if (tag == 0xdb || tag == 0xc6) {
      if (!number(4, length)) return false;
    } else {
      return fail();
    }
    if (length > most_sample) return fail();
    return take(length, out);
  }

  bool exactly(std::string_view text) {
    const std::size_t n = std::min(text.size(), rest_.size());
    if (as_text(rest_.first(n)) != text.substr(0, n)) return fail();
    if (n < text.size()) return false;
    rest_ = rest_.subspan(n);
    return true;
  }

 private:
  bool fail() {
    wrong_ = true;
    return false;
  }
  bool take(std::size_t count, Bytes& out) {
    if (rest_.size() < count) return false;
    out = rest_.first(count);
    rest_ = rest_.subspan(count);
    return true;
  }
  bool byte(std::uint8_t& out) {
    Bytes one;
    if (!take(1, one)) return false;
    out = one[0];
    return true;
  }
  bool number(std::size_t count, std::size_t& out) {
    Bytes digits;
    if (!take(count, digits)) return false;
    out = 0;
    for (const std::uint8_t digit : digits) out = out << 8 | digit;
    return true;
  }

  Bytes rest_;
  bool wrong_ = false;
};

void append_string(std::vector<std::uint8_t>& out, std::string_view text) {
  out.push_back(static_cast<std::uint8_t>(0xa0 | text.size()));
  out.insert(out.end(), text.begin(), text.end());
}

std::string_view key_of(Side side) { return side == Side::client ? "get" : "push"; }
std::string_view name_of(Verb verb) { return verb == Verb::sample ? "sample" : "heartbeat"; }

bool read(Reader& reader, Side side, std::optional<Verb>& verb, Bytes& sample) {
  std::size_t pairs = 0;
  if (!reader.map(pairs)) return false;
  for (; pairs > 0; --pairs) {
    std::string_view key;
    Bytes value;
    if (!reader.string(key) || !reader.raw(value)) return false;
    if (key == key_of(side)) {
      for (const Verb each : {Verb::sample, Verb::heartbeat}) {
        if (as_text(value) == name_of(each)) verb = each;
      }
    } else if (key == "sample") {
      sample = value;
    }
  }
  return reader.exactly(delimiter);
}

}  // namespace

Status decode(Side side, Bytes in, std::size_t most, Message& out, std::size_t& used) {
  Reader reader(in);
  std::optional<Verb> verb;
  Bytes sample;
  if (!read(reader, side, verb, sample)) {
    return reader.wrong() || in.size() >= most ? Status::malformed : Status::incomplete;
  }
  used = in.size() - reader.left();
  const bool promised = side == Side::server && verb == Verb::sample;
  if (!verb || used > most || (promised && sample.empty())) return Status::malformed;
  out = {*verb, promised ? sample : Bytes()};
  return Status::complete;
}

std::vector<std::uint8_t> encode(Side side, Verb verb) {
  std::vector<std::uint8_t> out{0x81};
  append_string(out, key_of(side));
  append_string(out, name_of(verb));
  out.insert(out.end(), delimiter.begin(), delimiter.end());
  return out;
}

std::array<std::uint8_t, sample_head_bytes> encode_sample_head(std::size_t bytes) {
  // raw 16 for all lengths: one form, which every reader knows.
  constexpr std::string_view text = "\x82\xa4push\xa6sample\xa6sample\xda";
  std::array<std::uint8_t, sample_head_bytes> out{};
  static_assert(text.size() + 2 == sample_head_bytes);
  std::copy(text.begin(), text.end(), out.begin());
  out[text.size()] = static_cast<std::uint8_t>(bytes >> 8);
  out[text.size() + 1] = static_cast<std::uint8_t>(bytes);
  return out;
}

}  // namespace qanat::wire::netrng
