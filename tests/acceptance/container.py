"""Containers as Kubernetes starts them, by crun: the program that CRI-O and podman start theirs with."""

import json
import os
import pathlib
import re
import subprocess

import pytest
from conftest import QANAT, need, need_root

ROOT = pathlib.Path(__file__).parents[2]
# runAsUser, runAsGroup and fsGroup of packaging/kubernetes.
USER = 10001
# What the usual profiles ("RuntimeDefault") refuse to who has no capability.
REFUSED = """acct add_key bpf clock_adjtime clock_settime create_module delete_module fanotify_init finit_module get_mempolicy init_module
io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind mount move_pages
name_to_handle_at nfsservctl open_by_handle_at perf_event_open personality pivot_root process_vm_readv process_vm_writev ptrace query_module
quotactl reboot request_key set_mempolicy setns settimeofday swapoff swapon syslog umount2 unshare uselib userfaultfd ustat vhangup""".split()
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug",
          "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
# crun takes no mixture of old and new control groups, as some machines have it; it needs none for us.
CRUN = ["unshare", "-m", "sh", "-c", "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec crun \"$@\"", "crun", "--cgroup-manager=disabled"]


def make_rootfs(directory):
    """The image's root file system, by the script that the Containerfile runs."""
    need_root(), need("crun")
    made = subprocess.run([ROOT / "packaging/container/make-rootfs", QANAT, directory], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    # As another user of this machine's, if the machine lets us start any.
    probe = Container(directory.parent, directory, "probe", ["--version"])
    if probe.wait() != 0 or not probe.output():
        pytest.skip(f"crun starts no container here: {probe.log()}")
    return directory


def volume(directory, mode=0o2777, owner=0, group=USER):
    """A directory as the kubelet makes it: an emptyDir, unless said otherwise."""
    directory.mkdir(parents=True, exist_ok=True)
    os.chown(directory, owner, group)
    directory.chmod(mode)
    return directory


def secret(directory, name, text, mode=0o440, group=USER):
    """A Secret's file, behind a link as the kubelet has it; unless said otherwise with defaultMode 0440 in a pod with an fsGroup."""
    (volume(directory, 0o3777) / "..data").mkdir()
    file = directory / "..data" / name
    file.write_text(text)
    os.chown(file, 0, group)
    file.chmod(mode)
    (directory / name).symlink_to(f"..data/{name}")
    return directory


class Container:
    """`arguments`: of qanat. `volumes`: {path within: directory or file here, or None for a tmpfs}."""

    def __init__(self, directory, rootfs, name, arguments, *, user=USER, capabilities=(), volumes=None, env=(), limits=(), without=(),
                 user_namespace=False, state="/var/lib/qanat", read_only=()):
        self.directory, self.name, self.user = directory, name, user
        bundle = directory / f"{name}.bundle"
        bundle.mkdir()
        tmpfs = lambda path, *options: {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", *options]}
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}, tmpfs("/dev", "mode=755"),
                  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}]
        for path, source in (volumes or {}).items():
            mode = "ro" if path in read_only else "rw"
            mounts.append({"destination": path, "type": "bind", "source": str(source), "options": ["bind", mode, "nosuid", "nodev"]} if source else tmpfs(path, "mode=1777"))
        kinds = ["pid", "ipc", "uts", "mount"]  # the network is the machine's: ports are the test's
        mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        users = {"uidMappings": mapping, "gidMappings": mapping} if user_namespace else {}
        has = [f"CAP_{capability}" for capability in capabilities]
        config = {
            "ociVersion": "1.0.0",
            "hostname": name,
            "root": {"path": str(rootfs), "readonly": True},
            "process": {
                "args": ["/usr/bin/qanat", *arguments], "cwd": "/", "terminal": False, "noNewPrivileges": True,
                "user": {"uid": user, "gid": user},
                "env": [f"STATE_DIRECTORY={state}", *env] if state else list(env),
                "capabilities": {kind: has for kind in ("bounding", "effective", "permitted")},
                "rlimits": [{"type": f"RLIMIT_{kind}", "hard": value, "soft": value} for kind, value in limits],
            },
            "mounts": [mount for mount in mounts if mount["destination"] not in without],
            "linux": {
                "namespaces": [{"type": kind} for kind in [*kinds, *(["user"] if user_namespace else [])]],
                "maskedPaths": MASKED, "readonlyPaths": READ_ONLY, **users,
                "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                            "syscalls": [{"names": REFUSED, "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]},
            },
        }
        (bundle / "config.json").write_text(json.dumps(config))
        self.crun = [*CRUN, "--root", str(directory / "crun")]
        self.pid_file = bundle / "pid"
        self.process = subprocess.Popen([*self.crun, "run", "--bundle", str(bundle), "--pid-file", str(self.pid_file), name],
                                        stdin=subprocess.DEVNULL, stdout=open(bundle / "out", "wb"), stderr=open(bundle / "log", "wb"))

    @property
    def pid(self):
        """Its process 1, as this machine counts."""
        return int(self.pid_file.read_text())

    def output(self):
        return (self.directory / f"{self.name}.bundle/out").read_bytes()

    def log(self):
        return re.sub(r"\x1b\[[0-9;]*m", "", (self.directory / f"{self.name}.bundle/log").read_text(errors="replace"))

    def wait(self, limit=30):
        return self.process.wait(limit)

    def exec(self, *arguments, check=True):
        """As `kubectl exec` does."""
        done = subprocess.run([*self.crun, "exec", "--user", f"{self.user}:{self.user}", self.name, "/usr/bin/qanat", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def kill(self, signal):
        os.kill(self.pid, signal)

    def end(self):
        if self.process.poll() is None:
            try:
                self.kill(9)
            except (OSError, ValueError):
                self.process.kill()
            self.process.wait()
