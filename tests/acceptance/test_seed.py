"""`qanat seed --for-guest`: each form with whoever takes it in the field."""

import base64
import os
import pathlib
import re
import subprocess
import threading

import pytest
from conftest import QANAT, balanced, free_port, need, need_namespaces, qanat
from guest import guest_libraries, make_initramfs, program, run_guest

FORMATS = ["fw_cfg", "device-tree", "cloud-init", "systemd", "file"]


@pytest.fixture
def node(run):
    return run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}", name="host").ready()


def seed(node, form, path=None, *more):
    output = ["--output", str(path)] if path else []
    done = subprocess.run([QANAT, "seed", "--for-guest", form, "--state", str(node.state), *output, *more], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_never_the_same_twice_and_each_paid_for(node):
    before = node.status()["ledger"]["delivered"]
    seeds = {seed(node, form) for form in FORMATS for _ in range(10)}
    assert len(seeds) == 50
    ledger = node.status()["ledger"]
    assert ledger["delivered"] - before == 50 * 512 and balanced(ledger)


def test_what_is_wrong_is_said_before_anything_is_drawn(node, tmp_path):
    before = node.status()["ledger"]["delivered"]
    state = ["--state", str(node.state)]
    for arguments, word in ((["--for-guest", "vmdk"], "known are fw_cfg, device-tree, cloud-init, systemd, file"),
                            (["--for-guest", "file", "--bytes", "31"], "from 32"), (["--for-guest", "file", "--bytes", "513"], "to 512")):
        done = qanat("seed", *arguments, *state, check=False)
        assert done.returncode == 2 and word in done.stderr, done.stderr
    (tmp_path / "there").write_text("another guest's")
    done = qanat("seed", "--for-guest", "file", "--output", str(tmp_path / "there"), *state, check=False)
    assert done.returncode == 1 and "another guest's seed" in done.stderr
    assert qanat("seed", *state, check=False).returncode == 2
    done = qanat("seed", "--for-guest", "file", "--state", str(tmp_path / "nobody"), check=False)
    assert done.returncode == 1 and "there is no state directory" in done.stderr
    (tmp_path / "empty").mkdir(mode=0o700)
    done = qanat("seed", "--for-guest", "file", "--state", str(tmp_path / "empty"), check=False)
    assert done.returncode == 1 and "no node runs" in done.stderr
    assert node.status()["ledger"]["delivered"] == before
    seed(node, "file", tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600 and (tmp_path / "new").stat().st_size == 64


FIRST_BOOT = """
dmesg | grep "crng init done" && echo "SEEDED BEFORE"
mkdir -p /var/lib
/bin/qanat wait --ready --for 100ms 2>&1; echo "WAIT $?"
/bin/qanat feed --once seed:/sys/firmware/qemu_fw_cfg/by_name/opt/org.qanat/seed/raw --state /var/lib/feed 2>&1; echo "EXIT $?"
dmesg | grep "crng init done"
/bin/qanat wait --ready --for 10s; echo "WAIT $?"
echo "AGAIN"
/bin/qanat feed --once seed:/sys/firmware/qemu_fw_cfg/by_name/opt/org.qanat/seed/raw --state /var/lib/feed 2>&1; echo "EXIT $?"
"""


def test_a_first_boot_has_its_kernel_ready_by_the_seed_alone(node, tmp_path, capsys):
    """QEMU's fw_cfg and our own source; the kernel has no other: no RDRAND, no virtio-rng, and nobody has waited for random bytes."""
    seed(node, "fw_cfg", tmp_path / "seed")
    image = make_initramfs(tmp_path / "initrd", FIRST_BOOT, ["firmware/qemu_fw_cfg"], program())
    out = run_guest(image, "-fw_cfg", f"name=opt/org.qanat/seed,file={tmp_path}/seed")
    first, again = out.split("AGAIN")
    assert "SEEDED BEFORE" not in first
    # And so says `wait`, before and after, without drawing what the kernel does not have.
    before, after = first.split("given to the kernel")
    assert "the kernel's random generator has no seed yet" in before and "WAIT 1" in before
    assert "WAIT 0" in after
    assert "64 bytes given to the kernel, credited 512 bits" in first and "EXIT 0" in first
    done = re.search(r"\[ *[0-9.]+\] random: crng init done", first)
    assert done, first
    with capsys.disabled():
        print("\n  first boot with qanat seed --for-guest fw_cfg: " + done.group(0), end="")
    assert "credited 0 bits: it was used before" in again and "EXIT 1" in again
    # And without the seed, none: what is seen is the seed's work.
    out = run_guest(make_initramfs(tmp_path / "initrd", "dmesg | grep -c 'crng init done'", ["firmware/qemu_fw_cfg"]))
    assert re.search(r"^0", out.strip()), out


def arm64_kernel():
    """Debian's cloud kernel for arm64, by a package list of our own."""
    from guest import CACHE
    tree = CACHE / "arm64"
    if not list(tree.glob("boot/vmlinuz-*")):
        lists = CACHE / "arm64-apt"
        for name in ("lists/partial", "cache/archives/partial"):
            (lists / name).mkdir(parents=True, exist_ok=True)
        options = ["-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64", "-o", f"Dir::State::Lists={lists}/lists", "-o", f"Dir::Cache={lists}/cache"]
        apt = lambda *words: subprocess.run([words[0], *options, *words[1:]], cwd=lists, capture_output=True, text=True, timeout=300)
        apt("apt-get", "update")
        names = re.findall(r"Depends: (linux-image-\S+)", apt("apt-cache", "depends", "linux-image-cloud-arm64").stdout)
        if not names or apt("apt-get", "download", names[0]).returncode != 0:
            pytest.skip("the package linux-image-cloud-arm64 cannot be fetched")
        subprocess.run(["dpkg", "-x", next(lists.glob("linux-image-*.deb")), tree], check=True)
    return next(tree.glob("boot/vmlinuz-*"))


def test_a_device_tree_seeds_the_kernel_before_anything_runs(node, tmp_path, capsys):
    """dtc, fdtoverlay and Debian's arm64 kernel, which takes /chosen/rng-seed by itself."""
    for name in ("dtc", "fdtoverlay", "fdtget", "qemu-system-aarch64"):
        need(name)
    image = arm64_kernel()
    machine = ["qemu-system-aarch64", "-cpu", "cortex-a57", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot", "-M"]
    at = lambda name: str(tmp_path / name)
    subprocess.run([*machine, f"virt,dtb-randomness=off,dumpdtb={at('base.dtb')}"], check=True, capture_output=True)
    seed(node, "device-tree", tmp_path / "seed.dts")
    # And one that differs in nothing but the property's name.
    (tmp_path / "other.dts").write_text((tmp_path / "seed.dts").read_text().replace("rng-seed", "other-seed"))
    for name, tree in (("seed", "guest"), ("other", "unseeded")):
        subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", at(f"{name}.dtbo"), at(f"{name}.dts")], check=True)
        subprocess.run(["fdtoverlay", "-i", at("base.dtb"), "-o", at(f"{tree}.dtb"), at(f"{name}.dtbo")], check=True)
    there = subprocess.run(["fdtget", "-t", "bx", at("guest.dtb"), "/chosen", "rng-seed"], capture_output=True, text=True, check=True).stdout.split()
    written = re.search(r"\[(.*)\]", (tmp_path / "seed.dts").read_text()).group(1).split()
    assert [int(b, 16) for b in there] == [int(b, 16) for b in written] and len(there) == 64

    def boot(tree):
        run = subprocess.Popen([*machine, "virt,dtb-randomness=off", "-kernel", str(image), "-dtb", at(tree), "-serial", "stdio",
                                "-append", "console=ttyAMA0 panic=-1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
        watchdog = threading.Timer(60, run.kill)
        watchdog.start()
        lines = []
        try:
            for line in run.stdout:
                lines.append(line)
                # Well after the kernel has looked at its device tree.
                if "Calibrating delay loop" in line:
                    break
            else:
                raise AssertionError("".join(lines))
        finally:
            watchdog.cancel()
            run.kill()
            run.wait()
        return [line.strip() for line in lines if "crng init done" in line]

    done = boot("guest.dtb")
    assert done and "0.000000" in done[0], done
    with capsys.disabled():
        print("\n  first boot with qanat seed --for-guest device-tree: " + done[0], end="")
    assert not boot("unseeded.dtb"), "without the seed there is none so early"


def test_cloud_init_takes_it(node, tmp_path):
    """Its own schema, its own module; /dev/urandom is a file in a namespace, to see what is written there."""
    need("cloud-init")
    need_namespaces("--mount")
    (tmp_path / "user-data").write_bytes(content := seed(node, "cloud-init"))
    checked = subprocess.run(["cloud-init", "schema", "--config-file", str(tmp_path / "user-data")], capture_output=True, text=True)
    assert "Valid cloud-config" in checked.stdout, checked.stdout + checked.stderr
    (tmp_path / "urandom").write_bytes(b"")
    take = """
import logging, sys, yaml
from cloudinit.config import cc_seed_random
class Datasource: metadata = {}
class Cloud: datasource = Datasource()
cc_seed_random.handle("seed_random", yaml.safe_load(open(sys.argv[1])), Cloud(), logging.getLogger(), [])
"""
    subprocess.run(["unshare", "--mount", "sh", "-ec", f'mount --bind {tmp_path}/urandom /dev/urandom; exec /usr/bin/python3 -c "$1" {tmp_path}/user-data',
                    "sh", take], check=True)
    assert (tmp_path / "urandom").read_bytes() == base64.b64decode(re.search(rb"data: (\S+)", content).group(1))


def test_systemd_random_seed_takes_it_from_the_image(node, tmp_path):
    """As a file in the image; it credits what it loads when it is told to, and replaces it."""
    need_namespaces("--mount")
    need("strace")
    loader = "/lib/systemd/systemd-random-seed"
    if not os.path.exists(loader):
        pytest.skip(f"{loader} is not installed")
    (tmp_path / "lib").mkdir()
    seed(node, "file", tmp_path / "lib/random-seed")
    before = (tmp_path / "lib/random-seed").read_bytes()
    traced = subprocess.run(["unshare", "--mount", "sh", "-ec", f"mount --bind {tmp_path}/lib /var/lib/systemd; "
                             f"SYSTEMD_RANDOM_SEED_CREDIT=force exec strace -f -e trace=ioctl,write,pwrite64 -x -s 2000 {loader} load"], capture_output=True, text=True)
    assert "RNDADDENTROPY" in traced.stderr, traced.stderr
    assert re.search(r"RNDADDENTROPY, \{entropy_count=512, buf_size=64", traced.stderr), traced.stderr
    assert (tmp_path / "lib/random-seed").read_bytes() != before, "not used again at the next boot"


SYSTEMD_INIT = """
mkdir -p /run /etc/systemd/system /sys/fs/cgroup /var/lib
printf 'ID=guest\\n' > /etc/os-release; echo 0123456789abcdef0123456789abcdef > /etc/machine-id; touch /etc/initrd-release
printf '[Unit]\\nDefaultDependencies=no\\n[Service]\\nType=oneshot\\nLoadCredential=qanat.seed\\nStandardOutput=file:/dev/console\\nStandardError=file:/dev/console\\nExecStart=/bin/sh /take\\n' > /etc/systemd/system/take.service
ln -s take.service /etc/systemd/system/default.target.tmp
printf '[Unit]\\nDefaultDependencies=no\\nRequires=take.service\\nAfter=take.service\\n' > /etc/systemd/system/default.target
rm /etc/systemd/system/default.target.tmp
exec /lib/systemd/systemd --log-target=console --log-level=warning
"""
TAKE = """
echo "CREDENTIAL $(base64 -w0 < $CREDENTIALS_DIRECTORY/qanat.seed)"
/bin/qanat feed --once seed:$CREDENTIALS_DIRECTORY/qanat.seed --state /var/lib/feed
echo "GUEST ENDS"
poweroff -f
"""


def test_systemd_takes_it_as_a_credential(node, tmp_path):
    """Debian's systemd as the guest's first process, and a service with LoadCredential=."""
    systemd = pathlib.Path("/lib/systemd/systemd")
    if not systemd.exists():
        pytest.skip("systemd is not installed")
    (tmp_path / "smbios").write_bytes(content := seed(node, "systemd"))
    (tmp_path / "take").write_text(TAKE)
    files = [*program(), *guest_libraries(systemd), (systemd, "/lib/systemd/systemd"), (tmp_path / "take", "/take")]
    for helper in ("systemd-executor", "systemd-shutdown"):
        if (path := systemd.with_name(helper)).exists():
            files += [(path, str(path)), *guest_libraries(path)]
    image = make_initramfs(tmp_path / "initrd", SYSTEMD_INIT, (), files)
    out = run_guest(image, "-smbios", f"type=11,path={tmp_path}/smbios", limit=60)
    assert re.search(r"CREDENTIAL (\S+)", out).group(1) == content.decode().split("=", 1)[1]
    assert "credited 512 bits" in out


def test_a_file_in_the_image_is_used_once_and_removed(node, tmp_path):
    """On this machine's own kernel; what the guest's feed does at its first boot."""
    if os.geteuid() != 0:
        pytest.skip("takes root")
    seed(node, "file", tmp_path / "boot-seed")
    feed = lambda *more: qanat("feed", "--once", f"seed:{tmp_path}/boot-seed", "--state", str(tmp_path / "feed"), *more, check=False)
    first = feed()
    assert first.returncode == 0 and "credited 512 bits; its file is removed" in first.stderr
    assert feed().returncode == 1 and "cannot open" in feed().stderr
    (tmp_path / "boot-seed").write_bytes(b"x" * 64)
    os.chmod(tmp_path / "boot-seed", 0o644)
    assert "may be read by others" in feed().stderr
    (tmp_path / "boot-seed").chmod(0o600)
    forgotten = qanat("feed", f"seed:{tmp_path}/boot-seed", "--state", str(tmp_path / "feed"), check=False)
    assert forgotten.returncode == 1 and "add --once" in forgotten.stderr
