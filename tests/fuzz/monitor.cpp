#include <arpa/inet.h>
#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "fuzz.h"
#include "machine/kernel_random.h"
#include "monitor/desk.h"

// Whatever a node sends, its monitor does what the configuration names, and no more. The input is
// requests: a byte says how the next is made, so that named things are asked for, too.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qanat;
  using namespace qanat::monitor;
  std::uint64_t credited = 0;
  TimePoint now{};
  Desk desk(
      {.readable = {"/etc/key"}, .writable = {"/dev/noise"}, .commands = {"echo"}, .ports = {443}},
      {.open = [](const std::string& path, int flags) -> tl::expected<UniqueFd, int> {
         must(path == "/dev/noise" || (path == "/etc/key" && (flags & O_ACCMODE) == O_RDONLY));
         must((flags & ~(O_ACCMODE | O_NONBLOCK)) == 0);
         return tl::unexpected(ENXIO);
       },
       .bind =
           [](int socket, const sockaddr* name, socklen_t length) {
             must(socket >= 0 && length <= sizeof(sockaddr_storage));
             std::uint16_t port = 0;
             std::memcpy(&port, name->sa_data, sizeof port);
             must(ntohs(port) == 443);
             return 0;
           },
       .add_to_kernel =
           [&](Bytes bytes, std::size_t worth, Bytes local) {
             must(worth <= bytes.size() && bytes.size() <= machine::most_kernel_bytes);
             must(local.size() <= machine::most_kernel_local);
             credited += 8 * worth;
             return 0;
           },
       .start = [](const std::string& command, const UniqueFd&,
                   const Variables& variables) -> Result<Powers::Started> {
         must(command == "echo");
         for (const auto& [name, value] : variables) {
           must(name.starts_with("QANAT_") && value.find('\0') == std::string::npos);
         }
         return error("not started");
       },
       .find_holder = [](std::span<const dev_t> devices, pid_t) -> std::optional<Holder> {
         must(!devices.empty() && devices.size() <= 8);
         return std::nullopt;
       },
       .device_at = [](const std::string&) { return std::optional<dev_t>(0); },
       .reread = []() -> Grants { throw Failure("not valid"); }},
      now);
  constexpr std::size_t head = offsetof(Request, body);
  while (size > 0) {
    const std::uint8_t how = *data++;
    --size;
    Request request;
    const std::size_t length = std::min<std::size_t>(size, head + how);
    std::memcpy(static_cast<void*>(&request), data, std::min(length, sizeof request));
    data += length;
    size -= length;
    if ((how & 1) != 0) {
      constexpr std::array kinds{GrantKind::read, GrantKind::write, GrantKind::command};
      constexpr std::array names{"/etc/key", "/dev/noise", "echo"};
      request.grant = grant_id(kinds[how / 2 % kinds.size()], names[how / 8 % names.size()]);
      request.size = std::min<std::uint32_t>(request.size, Request::most_body);
    }
    UniqueFd passed((how & 4) != 0 ? ::open("/dev/null", O_RDONLY | O_CLOEXEC) : -1);
    const bool whole = (how & 64) == 0;
    const Bytes bytes(reinterpret_cast<const std::uint8_t*>(&request),
                      whole ? sizeof request : length);
    const Desk::Reply reply = desk.answer(bytes, std::move(passed), now);
    must(reply.answer.problem == 0 || !reply.fd);
    must(reply.answer.text.back() == '\0');
    must(credited <= Desk::kernel_bits_a_minute);
  }
  return 0;
}
