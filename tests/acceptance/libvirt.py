"""A libvirtd of the test's own: the machine's directories, /run/qanat among them, are covered for it and for nobody else."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tty

from conftest import eventually, need, need_namespaces

# Root runs the guests, and nothing is confined: what libvirt does for that on a machine of its own is not ours to try.
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
"""
COVERED = {"etc": "/etc/libvirt", "state": "/var/lib/libvirt", "cache": "/var/cache/libvirt", "log": "/var/log/libvirt", "run": "/run/libvirt",
           "qanat": "/run/qanat"}


class Libvirt:
    def __init__(self, directory):
        for program in ("libvirtd", "virtlogd", "virsh", "qemu-system-x86_64"):
            need(program)
        need_namespaces("--mount")
        self.directory = directory
        covers = []
        self.made = [pathlib.Path(covered) for covered in COVERED.values() if not pathlib.Path(covered).exists()]
        for path in self.made:
            path.mkdir()
        for name, covered in COVERED.items():
            (directory / name).mkdir(parents=True)
            covers.append(f"mount --bind {directory}/{name} {covered}")
        self.images = directory / "state/images"
        self.images.mkdir()
        (directory / "etc/qemu.conf").write_text(QEMU_CONF)
        # Debian makes this account with a package that would start the daemon, too.
        for name, line in (("passwd", "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n"), ("group", "libvirt-qemu:x:64055:\n")):
            accounts = pathlib.Path(f"/etc/{name}").read_text()
            if "\nlibvirt-qemu:" not in accounts:
                (directory / name).write_text(accounts + line)
                covers.append(f"mount --bind {directory}/{name} /etc/{name}")
        # The daemon asks every emulator that it finds what it can do, which takes a second each.
        (directory / "bin").mkdir()
        (directory / "bin/qemu-system-x86_64").symlink_to(shutil.which("qemu-system-x86_64"))
        covers.append(f"export PATH={directory}/bin")
        script = "; ".join([*covers, "/usr/sbin/virtlogd & /usr/sbin/libvirtd"])
        self.log = directory / "daemon.log"
        # A PID namespace, so that guests end with the daemon. The shell is its first process, and reaps what the daemon leaves behind.
        self.process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", script],
                                        stdin=subprocess.DEVNULL, stdout=open(self.log, "wb"), stderr=subprocess.STDOUT)
        self.uri = f"qemu:///system?socket={directory}/run/libvirt-sock"
        eventually(lambda: self.process.poll() is not None or self.virsh("version", check=False).returncode == 0)
        assert self.process.poll() is None, self.log.read_text()

    def virsh(self, *words, check=True):
        done = subprocess.run(["virsh", "-q", "-c", self.uri, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        if check:
            assert done.returncode == 0, done.stderr + self.log.read_text(errors="replace")[-2000:]
        return done

    def console(self, guest):
        """Its serial line, as `virsh console` opens it."""
        terminal = eventually(lambda: self.virsh("ttyconsole", guest).stdout.strip())
        fd = os.open(f"/proc/{self.process.pid}/root{terminal}", os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        return fd

    def end(self):
        self.process.kill()
        self.process.wait()
        for path in self.made:
            with contextlib.suppress(OSError):
                path.rmdir()  # somebody else may have begun to use it
