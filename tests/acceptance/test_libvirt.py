"""docs/virtual-machines.md with a real libvirtd: the page's domain, saved once and restored twice."""

import mmap
import os
import pathlib
import re
import select
import shutil
import textwrap
import time

import pytest
from clones import MODULES
from guest import kernel, make_initramfs, program
from libvirt import Libvirt

pytestmark = pytest.mark.alone
PAGE = pathlib.Path(__file__).parents[2] / "docs/virtual-machines.md"
FRESH = re.compile(r"a fresh seed of grade full for process (\d+), SHA-256 ([0-9a-f]{64})")
DRAWS, STEP = 100, 20
# Draws UUIDs of the kernel's without a pause, and numbers them. Asked by number, it tells so many of them from there on, one in so many.
SCRIPT = """
mkdir -p /run /var/lib
head -c 16 /dev/random > /dev/null
generation() {{ echo "GENERATION $(od -An -t u8 -N 8 /run/qanat/generation)"; }}
{feed}
stty -F /dev/ttyS0 raw -echo
awk 'BEGIN {{ f = "/proc/sys/kernel/random/uuid"; for (n = 1; ; n++) {{ getline u < f; close(f); print "draw", n, u; fflush() }} }}' > /draws &
until [ -s /draws ]; do sleep 0.1; done
generation; echo "GUEST DRAWS"
read number < /dev/ttyS0
until [ $(wc -l < /draws) -gt $((number + {draws} * {step})) ]; do sleep 0.1; done
kill $!
tail -n +$number /draws | awk 'NR % {step} == 1' | head -n {draws}
generation; echo "SAID"
sleep 1000
"""
# The generation is 1 when the feed begins, and 2 once its first seed is the kernel's.
FEED = """/bin/qanat feed vmport:/dev/virtio-ports/org.qanat.0 --state /var/lib/feed 2>/dev/console &
until [ $(od -An -t u8 -N 8 /run/qanat/generation 2>/dev/null || echo 0) -gt 1 ]; do sleep 0.1; done"""


def page_domain():
    """The page's, word for word; but for its type, as the page says for machines without KVM."""
    found = re.findall(r"^    <domain .*?^    </domain>\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    assert "write `type='qemu'`" in PAGE.read_text()
    return textwrap.dedent(found[0]).replace("type='kvm'", "type='qemu'", 1)


def read_until(fd, word, limit=60):
    said = b""
    end = time.monotonic() + limit
    while word not in said:
        assert time.monotonic() < end and select.select([fd], [], [], end - time.monotonic())[0], said[-2000:]
        said += os.read(fd, 1 << 16)
    return said.decode(errors="replace")


def generation_in(said):
    return int(re.search(r"^GENERATION +(\d+)", said, re.MULTILINE)[1])


def draws_after(fd, number):
    """UUIDs from this number on, and the generation after them."""
    os.write(fd, f"{number}\n".encode())
    said = read_until(fd, b"\nSAID")
    found = re.findall(r"^draw (\d+) ([0-9a-f-]{36})\r?$", said, re.MULTILINE)
    assert [int(n) for n, _ in found] == list(range(number, number + DRAWS * STEP, STEP))
    return [uuid for _, uuid in found], generation_in(said)


def drawn_in(snapshot):
    """The number of the last draw that the guest's memory holds."""
    with open(snapshot, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        return max(int(found[1]) for found in re.finditer(rb"\ndraw (\d+) [0-9a-f-]{36}\n", memory))


@pytest.fixture
def libvirt(tmp_path):
    daemon = Libvirt(tmp_path / "libvirt")
    yield daemon
    daemon.end()


def prepare(libvirt, tmp_path, feed=FEED):
    shutil.copy(next(kernel().glob("boot/vmlinuz-*")), libvirt.images / "guest.vmlinuz")
    make_initramfs(tmp_path / "initrd", SCRIPT.format(feed=feed, draws=DRAWS, step=STEP), MODULES, program())
    shutil.copy(tmp_path / "initrd", libvirt.images / "guest.initrd")
    (tmp_path / "domain.xml").write_text(page_domain())
    libvirt.virsh("define", "--validate", tmp_path / "domain.xml")


def genid(libvirt):
    return re.search(r"<genid>([0-9a-f-]+)</genid>", libvirt.virsh("dumpxml", "guest").stdout)[1]


def test_two_copies_of_the_page_s_domain(run, libvirt, tmp_path, capsys):
    host = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"vmport:{tmp_path}/libvirt/qanat/guests", name="host").ready()
    prepare(libvirt, tmp_path)
    libvirt.virsh("start", "guest")
    fd = libvirt.console("guest")
    original = generation_in(read_until(fd, b"GUEST DRAWS"))
    ids = [genid(libvirt)]
    libvirt.virsh("save", "guest", tmp_path / "saved")
    os.close(fd)
    # The next may have been on its way.
    first = drawn_in(tmp_path / "saved") + 2
    copies = []
    for _ in range(2):
        libvirt.virsh("restore", tmp_path / "saved")
        ids.append(genid(libvirt))
        fd = libvirt.console("guest")
        draws, generation = draws_after(fd, first)
        assert generation > original, "the copy knows that it is one"
        copies.append(draws)
        os.close(fd)
        libvirt.virsh("destroy", "guest")
    assert len(set(ids)) == 3, "each restore has an id of its own"
    one, other = copies
    same = sum(uuid in other for uuid in one)
    with capsys.disabled():
        print(f"\n  libvirt: of {DRAWS} draws after the restore, one in {STEP}, {same} are the same in both copies", end="")
    # Where all are in a hurry, QEMU's thread that hands over the seed comes some milliseconds late.
    assert not set(one[DRAWS // 10:]) & set(other)
    seeds = FRESH.findall(host.log())
    assert len({digest for _, digest in seeds}) == len(seeds) >= 3
