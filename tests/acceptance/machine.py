"""A machine of its own in a container: the host's /usr, with qanat as it is installed there, and an empty /etc and /var. It costs
nothing to make, and systemd boots in it in a second."""

import atexit
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
from conftest import QANAT, eventually, need, need_root

ROOT = pathlib.Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
HUB_TOML = """
[[source]]
name = "exec:cat /dev/urandom"
h = 8.0
[[outlet]]
name = "http://127.0.0.1:7748"
[[outlet]]
name = "https://127.0.0.1:7749"
access = "join"
[[outlet]]
name = "egd:/run/qanat/egd"
mode = "0666"
"""


def installed(tree):
    """What an installation puts into /usr, as far as services are concerned."""
    for directory in ("bin", "lib/systemd/system", "lib/sysusers.d", "share/qanat"):
        (tree / directory).mkdir(parents=True)
    shutil.copy(QANAT, tree / "bin/qanat")
    for unit in (PACKAGING / "systemd").iterdir():
        shutil.copy(unit, tree / "lib/systemd/system")
    shutil.copy(PACKAGING / "qanat.sysusers", tree / "lib/sysusers.d/qanat.conf")
    for directory in ("drop-ins", "openrc", "runit", "daemontools", "s6"):
        shutil.copytree(PACKAGING / directory, tree / "share/qanat" / directory)


def control_groups():
    """The directories of the hierarchies that a container's manager needs a group in."""
    top = pathlib.Path("/sys/fs/cgroup")
    named = [top / name for name in ("systemd", "unified") if (top / name).is_dir()]
    return named or [top]


class Machine:
    def __init__(self, directory, toml=HUB_TOML):
        """`directory`: of the test; an installed tree beside it is made once."""
        need_root(), need("systemd-nspawn"), need("nsenter")
        self.root = directory / "root"
        self.log_path = directory / "console"
        self.tree = directory / "usr"
        installed(self.tree)
        for name in ("etc/systemd/system", "etc/systemd/system-generators", "etc/qanat", "etc/ssh", "etc/init.d", "var/lib", "var/log/journal", "run", "tmp", "root",
                     "proc", "sys", "dev", "usr"):
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            if os.path.islink(f"/{name}"):
                (self.root / name).symlink_to(f"usr/{name}")
        shutil.copy("/usr/lib/os-release", self.root / "etc/os-release")
        # Not a first boot, at which all units would be enabled.
        self.write("/etc/machine-id", "1" * 32 + "\n")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        self.write("/etc/hosts", "127.0.0.1 localhost hub.example\n")
        users = ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534::/:/bin/false", "qanat:x:900:900::/var/lib/qanat:/bin/false"]
        groups = ["root:x:0:", "nogroup:x:65534:", "qanat:x:900:", "tty:x:5:", "dialout:x:20:", "audio:x:29:", "video:x:44:"]
        self.write("/etc/passwd", "\n".join(users) + "\n")
        self.write("/etc/group", "\n".join(groups) + "\n")
        for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl/openssl.cnf"):
            source, target = pathlib.Path("/etc", name), self.root / "etc" / name
            if source.is_dir():
                shutil.copytree(source, target)
            elif source.exists():
                target.parent.mkdir(exist_ok=True)
                shutil.copy(source, target)
        # The host's own programs have nothing to make units of here.
        for generator in pathlib.Path("/usr/lib/systemd/system-generators").iterdir():
            (self.root / "etc/systemd/system-generators" / generator.name).symlink_to("/dev/null")
        if toml:
            self.write("/etc/qanat/qanat.toml", toml)
        self.groups = [group / f"qanat-{os.getpid()}-{directory.name}" for group in control_groups()]
        self.process = self.leader = None

    def write(self, path, text, mode=0o644):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def read(self, path):
        return (self.root / path.lstrip("/")).read_text()

    def exists(self, path):
        return (self.root / path.lstrip("/")).exists()

    def enter_groups(self):
        for group in self.groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def is_inside(self, pid):
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            here = os.stat(f"/proc/{pid}/root/etc/machine-id").st_ino == os.stat(self.root / "etc/machine-id").st_ino
        except OSError:
            return False
        return here and re.search(r"^NSpid:.*\t1$", status, re.M) and os.path.exists(f"/proc/{pid}/root/usr/bin/qanat")

    def pid_outside(self, inside):
        """Of a process in there that has this number; 0 where there is none."""
        own = os.stat(f"/proc/{self.leader}/ns/pid").st_ino
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                if re.search(rf"^NSpid:.*\t{inside}$", status.read_text(), re.M) and os.stat(status.parent / "ns/pid").st_ino == own:
                    return int(status.parent.name)
            except OSError:
                continue
        return 0

    def nspawn(self, *arguments):
        for group in self.groups:
            group.mkdir(exist_ok=True)
        atexit.register(self.end)
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", str(self.root), f"--overlay-ro=/usr:{self.tree}:/usr", "--register=no", "--keep-unit",
             "--private-network", "--capability=CAP_IPC_LOCK",
             "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self", *arguments],
            stdin=subprocess.DEVNULL, stdout=open(self.log_path, "w"), stderr=subprocess.STDOUT, preexec_fn=self.enter_groups)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        def first():
            if self.process.poll() is not None:
                pytest.skip(f"no container here: {self.log_path.read_text()[-300:]}")
            # One that is on its way there has another process number, or another root.
            return next((pid for pid in children.read_text().split() if self.is_inside(pid)), None)

        self.leader = eventually(first)

    def boot(self, *options):
        """systemd, until it has done all that it was to do."""
        self.nspawn(*options, "-b")
        eventually(lambda: self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip() in ("running", "degraded"))
        return self

    def supervise(self, command):
        """Another first process."""
        self.nspawn("-a", "/bin/sh", "-c", command)
        return self

    def run(self, *command, check=True, stdin=None, timeout=60):
        done = subprocess.run(["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", *command], capture_output=True, text=True,
                              input=stdin, timeout=timeout, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def begin(self, *command):
        return subprocess.Popen(["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", *command], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def systemctl(self, *arguments, check=True):
        return self.run("systemctl", *arguments, check=check).stdout.strip()

    def show(self, unit, *names):
        """Its properties; one alone as text."""
        lines = self.systemctl("show", unit, *[f"-p{name}" for name in names]).splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return values if len(names) > 1 else values[names[0]]

    def journal(self, unit, *more):
        return self.run("journalctl", "-q", "--no-pager", "-u", unit, *more).stdout

    def signal(self, number, pid):
        """By its pid in there."""
        self.run("kill", f"-{int(number)}", str(pid))

    def end(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            # All that is in there ends with its first process.
            try:
                os.kill(int(self.leader or self.process.pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait(20)
        for group in self.groups:
            for inner in sorted(group.rglob("*"), reverse=True):
                if inner.is_dir():
                    inner.rmdir()
            if group.exists():
                group.rmdir()
        self.process = None
