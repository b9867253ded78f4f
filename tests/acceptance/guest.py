"""A small Linux guest under emulation: one of Debian's kernels, a busybox initramfs, and a script that it runs."""

import fcntl
import gzip
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import QANAT, need

ROOT = pathlib.Path(__file__).parents[2]
# In the clone: the package is fetched once a clone.
CACHE = pathlib.Path(os.environ.get("QANAT_GUEST_CACHE", ROOT / "build/guest"))
# Debian's flavours of its kernel: the smaller one, which has no drivers for sound and video, and the one that has.
CLOUD, GENERIC = "cloud-amd64", "amd64"
# In the order in which they need each other.
MODULES = ["virtio/virtio_ring", "virtio/virtio", "virtio/virtio_pci_modern_dev", "virtio/virtio_pci_legacy_dev", "virtio/virtio_pci",
           "char/hw_random/virtio-rng"]

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox --install -s /bin
for m in /modules/*.ko; do insmod $m; done
echo "GUEST BEGINS"
{script}
echo "GUEST ENDS"
poweroff -f
"""


def kernel(flavour=CLOUD):
    """The unpacked kernel package: boot/vmlinuz-*, lib/modules/*."""
    tree = CACHE / ("kernel" if flavour == CLOUD else f"kernel-{flavour}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        # Another worker may be unpacking it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetch_kernel(tree, flavour)
    return tree


def fetch_kernel(tree, flavour):
    if not (tree / "whole").exists():
        depends = subprocess.run(["apt-cache", "depends", f"linux-image-{flavour}"], capture_output=True, text=True).stdout
        names = [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]
        fetched = bool(names) and subprocess.run(["apt-get", "download", names[0]], cwd=CACHE, capture_output=True).returncode == 0
        if not fetched:
            pytest.skip(f"the package linux-image-{flavour} cannot be fetched (apt-get update?)")
        package = next(CACHE.glob("linux-image-*.deb"))
        subprocess.run(["dpkg", "-x", package, tree], check=True)
        package.unlink()
        (tree / "whole").touch()


def make_initramfs(path, script, modules=(), files=(), flavour=CLOUD):
    """`files`: pairs of a file here and its path there."""
    need("busybox"), need("cpio")
    tree = path.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    for directory in ("bin", "modules"):
        (tree / directory).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
    drivers = next(kernel(flavour).glob("lib/modules/*/kernel/drivers"))
    for number, module in enumerate([*MODULES, *modules]):
        shutil.copy(drivers / f"{module}.ko", tree / f"modules/{number:02}-{pathlib.Path(module).name}.ko")
    for here, there in files:
        (tree / there.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(here, tree / there.lstrip("/"))
    (tree / "init").write_text(INIT.format(script=script))
    (tree / "init").chmod(0o755)
    names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(), capture_output=True, check=True).stdout
    path.write_bytes(gzip.compress(archive, 1))
    shutil.rmtree(tree)
    return path


def program(binary=None):
    """The binary and every library that it needs, as files of a guest."""
    binary = pathlib.Path(binary or QANAT)
    stripped = CACHE / "qanat"
    CACHE.mkdir(parents=True, exist_ok=True)
    subprocess.run(["strip", "-o", stripped, binary], check=True)
    return [(stripped, "/bin/qanat"), *guest_libraries(binary)]


def guest_libraries(binary):
    """What a binary is linked with, each in the guest at the path that it has here."""
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    return [(library, library) for library in re.findall(r"(/\S+) \(0x", listed)]


def command(initramfs, *more, memory=256, flavour=CLOUD):
    """The command line of an emulated guest, whose console is standard output."""
    need("qemu-system-x86_64")
    return ["qemu-system-x86_64", "-accel", "tcg", "-m", str(memory), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-kernel", str(next(kernel(flavour).glob("boot/vmlinuz-*"))), "-initrd", str(initramfs),
            "-append", "console=ttyS0 quiet panic=-1", *map(str, more)]


def run_guest(initramfs, *more, limit=120, **machine):
    """What it printed between its beginning and its end. `machine`: as for `command`."""
    done = subprocess.run(command(initramfs, *more, **machine), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, errors="replace")
    assert "GUEST ENDS" in done.stdout, done.stdout[-3000:] + done.stderr
    return done.stdout.split("GUEST BEGINS", 1)[1].split("GUEST ENDS")[0]
