#include "wire/xenstore.h"

#include <algorithm>
#include <array>

#include "fuzz.h"

// A stream of xenstored's messages; each payload is read as whatever it might be.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace xenstore = qanat::wire::xenstore;
  using qanat::wire::Status;
  qanat::Bytes in = qanat::as_bytes(text_of(data, size));
  for (;;) {
    xenstore::Message message;
    std::size_t used = 0;
    const Status status = xenstore::decode(in, message, used);
    if (status == Status::incomplete) must(in.size() < xenstore::most_message);
    if (status != Status::complete) return 0;
    must(used >= xenstore::header_bytes && used <= in.size() && used <= xenstore::most_message);
    must(message.payload.size() == used - xenstore::header_bytes);

    std::array<std::uint8_t, xenstore::most_message> again;
    const std::array parts{message.payload};
    must(xenstore::encode(message, parts, again) == used);
    must(std::equal(again.begin(), again.begin() + static_cast<std::ptrdiff_t>(used), in.begin()));

    const qanat::Bytes payload = message.payload;
    if (const auto event = xenstore::decode_event(payload)) {
      must(event->path.size() + event->token.size() + 2 <= payload.size());
    }
    must(!xenstore::refusal_of(payload).empty());
    must(xenstore::transaction_of(payload).value_or(1) != 0);
    if (auto part = xenstore::decode_directory_part(payload)) {
      must(part->names.size() < payload.size() && !part->generation.empty());
      std::size_t cut = 0;
      while (!part->names.empty()) cut += xenstore::take_string(part->names).size() + 1;
      must(cut < payload.size());
    }
    std::array<std::uint8_t, xenstore::most_seed> seed;
    const auto length = xenstore::read_seed(qanat::as_text(payload), seed);
    must(!length || (*length >= xenstore::least_seed && *length <= xenstore::most_seed));
    must(xenstore::read_generation(qanat::as_text(payload)).id.size() <=
         2 * xenstore::generation_id_bytes);
    (void)xenstore::is_path(qanat::as_text(payload), true);
    in = in.subspan(used);
  }
}
