// The join string: all that a client needs to draw from a hub, in one line. docs/join-strings.md
// has its bytes.
#pragma once

#include <string>

#include "base/secret.h"
#include "crypto/certificate.h"
#include "spec/address.h"

namespace qanat::wire {

struct JoinString {
  std::string name;       // the client's name at the hub
  spec::Address address;  // where the hub listens
  crypto::Pin pin{};      // of the hub's public key
  SecretBytes key;        // pre-shared, 32 bytes
};

// Whether a text was meant as a join string.
bool looks_like_join_string(std::string_view text);
// Where in a longer text, such as "--source=qanat1...", one begins; npos for nowhere.
std::size_t find_join_string(std::string_view text);
// A join string as it was meant, from what pages, mails and editors make of one: without a byte
// order mark, blanks and quotes around it, without the '>' with which a mail quotes another, and
// without the line ends of a line that was wrapped.
// Any other text, and one of which that is not clear, as it is, but for blanks around it.
std::string untangled(std::string_view text);
// Whether a text has quotes of any kind in it.
bool has_quotes(std::string_view text);
// What may be shown of a text that may hold a part of one, cut or without its first letters: of
// each word as long as a key and of a key's letters alone, its beginning and its length.
std::string without_secrets(std::string_view text);
// Whether a text that a person gave holds what may be a part of one: a word as long as a key, of
// capitals, small letters and digits. Not in a path, where names are as long (/dev/serial/by-id).
bool holds_part_of_key(std::string_view text);
// Throws Failure for such a text, and does not repeat it.
void refuse_part_of_key(std::string_view text);
// Overwrites a text that held one, and empties it.
void wipe_text(std::string& text);

// A secret: print it to its owner and nowhere else.
std::string encode(const JoinString& join);
// Total. Errors say whether it was cut, altered, or of a version not known here.
Result<JoinString> decode_join_string(std::string_view text);

}  // namespace qanat::wire
