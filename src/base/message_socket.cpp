#include "base/message_socket.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace qanat {

bool send_message(int socket, Bytes message, int descriptor, bool waits) {
  iovec part{const_cast<std::uint8_t*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> room{};
  if (descriptor >= 0) {
    header.msg_control = room.data();
    header.msg_controllen = room.size();
    cmsghdr* const control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  }
  for (;;) {
    if (::sendmsg(socket, &header, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT)) ==
        static_cast<ssize_t>(message.size()))
      return true;
    if (errno != EINTR) return false;
  }
}

ssize_t receive_message(int socket, MutableBytes message, UniqueFd& descriptor) {
  iovec part{message.data(), message.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  // Room for one, without the padding, in which there would be room for another: the kernel closes
  // what is sent beyond it.
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> room{};
  header.msg_control = room.data();
  header.msg_controllen = CMSG_LEN(sizeof(int));
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return got;
  cmsghdr* const control = CMSG_FIRSTHDR(&header);
  if (control != nullptr && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
      control->cmsg_len >= CMSG_LEN(sizeof(int))) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
    descriptor = UniqueFd(fd);
  }
  if ((header.msg_flags & MSG_TRUNC) != 0) {
    errno = EMSGSIZE;
    return -1;
  }
  return got;
}

}  // namespace qanat
