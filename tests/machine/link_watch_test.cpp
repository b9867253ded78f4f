#include "machine/resume_watch.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

#include "support/noise.h"

namespace qanat::machine {
namespace {

std::string link_message(int index, unsigned flags, std::string_view name,
                         unsigned short type = RTM_NEWLINK) {
  nlmsghdr head{};
  ifinfomsg link{};
  rtattr attribute{};
  link.ifi_index = index;
  link.ifi_flags = flags;
  attribute.rta_type = IFLA_IFNAME;
  attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(name.size() + 1));
  head.nlmsg_type = type;
  std::string body(NLMSG_ALIGN(sizeof link) + RTA_ALIGN(attribute.rta_len), '\0');
  std::memcpy(body.data(), &link, sizeof link);
  std::memcpy(body.data() + NLMSG_ALIGN(sizeof link), &attribute, sizeof attribute);
  std::copy(name.begin(), name.end(),
            body.begin() + static_cast<std::ptrdiff_t>(NLMSG_ALIGN(sizeof link) + RTA_LENGTH(0)));
  head.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(0) + body.size());
  std::string out(NLMSG_LENGTH(0), '\0');
  std::memcpy(out.data(), &head, sizeof head);
  return out + body;
}

constexpr unsigned up = IFF_UP | IFF_RUNNING;
constexpr unsigned lost = IFF_UP;

TEST(LinkWatch, TellsOfWhatWasLostAndHasComeBackAndOfNothingElse) {
  LinkWatch links;
  const auto hear = [&](const std::string& messages) {
    return links.hear(messages, [](const std::string& name) { return name.starts_with("eth"); })
        .value_or("");
  };
  EXPECT_EQ(hear(link_message(2, up, "eth0")), "") << "first seen";
  EXPECT_EQ(hear(link_message(2, up, "eth0")), "");
  EXPECT_EQ(hear(link_message(2, lost, "eth0")), "");
  EXPECT_EQ(hear(link_message(2, up, "eth0")), "eth0");
  EXPECT_EQ(hear(link_message(2, up, "eth0")), "") << "once";
  EXPECT_EQ(hear(link_message(2, lost, "eth0") + link_message(2, up, "eth0")), "eth0");
  EXPECT_EQ(hear(link_message(3, lost, "veth9") + link_message(3, up, "veth9")), "")
      << "a container's";
  EXPECT_EQ(hear(link_message(2, lost, "eth0") + link_message(2, lost, "eth0", RTM_DELLINK) +
                 link_message(2, up, "eth0")),
            "")
      << "another link of that number";
}

TEST(LinkWatch, TakesAnyBytes) {
  LinkWatch links;
  const auto all = [](const std::string&) { return true; };
  const std::string good = link_message(2, lost, "eth0") + link_message(2, up, "eth0");
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    links.hear(std::string_view(good).substr(0, cut), all);
    std::string spoiled = good;
    for (const char byte : {'\0', '\x7f', '\xff'}) {
      spoiled[cut] = byte;
      links.hear(spoiled, all);
    }
  }
}

}  // namespace
}  // namespace qanat::machine
