#include "fuzz.h"
#include "machine/resume_watch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  qanat::machine::LinkWatch links;
  const std::string_view all = text_of(data, size);
  const auto is_hardware = [](const std::string& name) { return name.size() % 2 == 0; };
  // In two reads, cut where the first byte says.
  const std::size_t cut = all.empty() ? 0 : static_cast<unsigned char>(all[0]) % (all.size() + 1);
  links.hear(all.substr(0, cut), is_hardware);
  const auto back = links.hear(all.substr(cut), is_hardware);
  must(!back || is_hardware(*back));
  (void)qanat::machine::tells_new_generation(all);
  return 0;
}
