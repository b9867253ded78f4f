"""Simtec's EntropyKey: Debian's own programs prove the emulator, and then it is ours that must work with it."""

import base64
import contextlib
import os
import pty
import re
import signal
import stat
import subprocess
import time

import pytest
from conftest import QANAT, balanced, eventually, fetch, free_port, need, need_root, qanat
from entropykey_emulator import EntropyKey

SECOND = "AAECAwQFBgcICQoL"


@pytest.fixture
def keys(tmp_path):
    """Makes devices, each with a line in one keyring, and unplugs them after the test."""
    ring = tmp_path / "keyring"
    ring.write_text("# kept\n")
    ring.chmod(0o600)
    with contextlib.ExitStack() as plugged:

        def plug(name="key", known=True, **how):
            key = plugged.enter_context(EntropyKey(tmp_path / name, **how))
            key.ring = ring
            key.source = f"entropykey:{key.path}?keyring={ring}"
            if known:
                with ring.open("a") as file:
                    file.write(key.keyring_line())
            return key

        yield plug


def serve(run, *keys, name="node"):
    named = [word for key in keys for word in ("--source", key.source)]
    node = run("serve", *named, "--outlet", f"http://127.0.0.1:{(port := free_port())}", name=name).up()
    node.port = port
    return node


@contextlib.contextmanager
def ekeyd(tmp_path, key):
    need("ekeyd")
    need_root()
    (tmp_path / "out").touch()
    (tmp_path / "conf").write_text(f'UnixControlSocket "{tmp_path}/control"\nKeyring "{key.ring}"\n'
                                   f'SetOutputToFile "{tmp_path}/out"\nAddEntropyKey "{key.path}"\n')
    subprocess.run(["ekeyd", "-f", tmp_path / "conf", "-p", tmp_path / "pid"], check=True)
    pid = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    try:
        yield tmp_path / "out"
    finally:
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not os.path.exists(f"/proc/{pid}"))


def test_ekeyd_delivers_what_the_emulator_sent(tmp_path, keys):
    key = keys(session=300)
    with ekeyd(tmp_path, key) as out:
        # Over several sessions.
        eventually(lambda: out.stat().st_size >= 20000)
        held = qanat("entropykey", "set-key", key.path, "--keyring", str(key.ring), stdin=key.master_text(), check=False)
        assert held.returncode == 1 and re.search(r"held by ekeyd \(process \d+\)", held.stderr), held.stderr
    # Byte for byte, and in order. One block may be left out where a session ends: ekeyd is slower than the emulator, and asks twice.
    sent, got = bytes(key.sent), out.read_bytes()
    rest = iter([sent[i : i + 32] for i in range(0, len(sent), 32)])
    assert all(got[i : i + 32] in rest for i in range(0, len(got) // 32 * 32, 32))
    assert key.rekeys >= 2 and key.long_term_rekeys == 0


def test_their_tools_and_ours_set_the_same_keys(tmp_path, keys, run):
    need("ekey-setkey")
    key = keys()
    other = keys("other", serial=SECOND)
    key.ring.write_text(f"# kept\n{key.keyring_line()}\n{other.keyring_line()}# at the end")
    bare = key.master_text().replace(" ", "")
    theirs = tmp_path / "theirs"
    theirs.write_text(key.keyring_line())
    for tool in (["ekey-setkey", "-f", theirs, "-s", key.serial_text, "-m", bare, key.path],
                 ["ekey-rekey", "-d", key.path, key.serial_text, bare]):
        done = subprocess.run(tool, env={**os.environ, "KEYRING": str(theirs)}, capture_output=True, text=True)
        assert key.keyring_line() in theirs.read_text(), done

    def ours(command, *more, stdin=key.master_text(), check=True):
        return qanat("entropykey", command, *more, "--keyring", str(key.ring), stdin=stdin, check=check)

    master = tmp_path / "master"
    master.write_text(base64.b64encode(key.master).decode() + "\n")  # without a check digit
    before = key.long_term_rekeys
    assert key.serial_text in ours("set-key", key.path, "--serial", key.serial_text).stdout
    said = ours("rekey", key.path, "--master-key", str(master))
    assert base64.b64encode(key.long_term).decode() not in said.stdout + said.stderr
    assert key.long_term_rekeys == before + 2
    assert key.ring.read_text() == f"# kept\n{key.keyring_line()}\n{other.keyring_line()}# at the end"
    key.ring.chmod(0o640)
    ours("set-key", key.path)
    assert stat.S_IMODE(key.ring.stat().st_mode) == 0o640, "a group that may read it still may"
    new = tmp_path / "new"
    qanat("entropykey", "set-key", key.path, "--keyring", str(new), stdin=key.master_text())
    assert new.read_text().endswith("\n" + key.keyring_line()) and stat.S_IMODE(new.stat().st_mode) == 0o600
    key.ring = new

    now, text = key.long_term, key.ring.read_text()
    mistyped = ("A" if bare[0] != "A" else "B") + bare[1:]
    for more, stdin, code, words in (
        ([key.path], other.master_text(), 1, "not that of the EntropyKey"),
        ([key.path], mistyped, 1, "mistyped"),
        ([key.path], "", 1, "not a master key"),
        ([key.path, "--serial", SECOND], bare, 1, f"is the EntropyKey {key.serial_text}, not {SECOND}"),
        ([key.path, "--serial", "short"], bare, 2, "16 letters"),
        ([key.path, "--master-key", bare], "", 2, "takes the name of a file|a part of a join string"),
        ([str(tmp_path / "absent")], bare, 1, "No such file"),
        ([str(master)], bare, 1, "not a serial line"),
        ([], bare, 2, "--serial"),
    ):
        done = ours("set-key", *more, stdin=stdin, check=False)
        assert done.returncode == code and re.search(words, done.stderr) and bare not in done.stderr, (more, done)
        assert done.stderr.count("\n") == code
    assert ours("rekey", check=False).returncode == 1  # none is plugged in by USB here
    unwritable = qanat("entropykey", "set-key", key.path, "--keyring", "/proc/none/keyring", stdin=bare, check=False)
    assert unwritable.returncode == 1 and (key.long_term, key.ring.read_text()) == (now, text), unwritable
    # A node has it.
    key.source = f"entropykey:{key.path}?keyring={key.ring}"
    node = serve(run, key)
    eventually(lambda: node.source(key.source)["state"] == "healthy")
    held = ours("set-key", key.path, check=False)
    assert held.returncode == 1 and "held by" in held.stderr and "node" in held.stderr, held.stderr


def test_a_typed_master_key_is_not_shown(tmp_path, keys):
    key = keys(known=False)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(QANAT, [QANAT, "entropykey", "set-key", key.path, "--keyring", str(key.ring)])
    shown = b""
    while b"Master key" not in shown or not shown.endswith(b": "):
        shown += os.read(terminal, 1000)
    os.write(terminal, key.master_text().encode() + b"x\x7f\r")
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 1000):
            shown += piece
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    assert key.master_text()[:4].encode() not in shown.split(b": ", 1)[1].split(b"\r\n")[0]
    assert key.keyring_line() in key.ring.read_text()


def test_bytes_arrive_and_are_credited_and_it_tells_of_itself(run, keys):
    # A line that nobody has set raw, and sessions that soon end.
    first, second = keys(session=100, raw=False), keys("second", serial=SECOND)
    node = serve(run, first, second)
    for key in (first, second):
        # Bytes are wanted all the time, so that both are read.
        eventually(lambda: fetch(node.port, "/v1/random?bytes=16384&wait=0s") and (s := node.source(key.source))["state"] == "healthy"
                   and s["ledger"]["credited"] > 0)
    eventually(lambda: first.rekeys >= 3)
    source = eventually(lambda: (s := node.source(first.source)) and "fips_frames" in s["readings"] and s)
    readings = source["readings"]
    assert readings["temperature_kelvin"] == 315 and readings["supply_volts"] == 3.254 and readings["fips_frames"] == 7342, readings
    assert readings["bad_macs"] == 0 and readings["rekeys"] >= 3 and readings["skipped_frames"] == 0, readings
    assert readings["raw_shannons_per_byte_left"] > 2.9 and source["h"] == 4, source
    assert balanced(node.status()["ledger"])
    metrics = fetch(node.port, "/metrics")[1].decode()
    assert re.search(r'qanat_source_reading\{[^}]*reading="temperature_kelvin"[^}]*\} 315', metrics), metrics[-2000:]
    second.unplug()
    eventually(lambda: node.source(second.source)["state"] == "gone")
    assert node.source(first.source)["state"] == "healthy"
    node.stop()
    probed = qanat("sources", first.source)
    assert "healthy" in probed.stdout, probed.stdout


def test_it_comes_back_by_itself(run, keys):
    key = keys()
    node = serve(run, key)

    def more():
        before = node.source(key.source)["bytes"]
        fetch(node.port, "/v1/random?bytes=4096&wait=0s")
        return eventually(lambda: node.source(key.source)["state"] == "healthy" and node.source(key.source)["bytes"] > before)

    more()
    # Its session is forgotten, and nobody is told: what it says next does not fit.
    key.reboot()
    more()
    for _ in range(2):
        key.unplug()
        gone = eventually(lambda: (s := node.source(key.source))["state"] == "gone" and s)
        assert "unplugged" in gone["detail"] or "cannot open" in gone["detail"], gone
        key.plug()
        more()
    # A node that was killed leaves the device in the middle of a session.
    node.process.kill()
    node.process.wait()
    node = serve(run, key, name="next")
    more()
    assert node.stop() == 0


def every(n, how):
    """Does something to each n-th frame of entropy."""
    seen = []

    def spoil(frame, _):
        if frame[2:3] != b"E":
            return frame
        seen.append(frame)
        return how(frame, seen) if len(seen) % n == 0 else frame

    return spoil


def tampered(frame, _):
    return frame[:10] + (b"A" if frame[10:11] != b"A" else b"B") + frame[11:]


def test_what_cannot_be_believed_is_said_and_gives_nothing(run, keys, tmp_path):
    serials = iter(base64.b64encode(bytes([n] * 12)).decode() for n in range(20))
    make = lambda name, **how: keys(name, serial=next(serials), pause=0.02, **how)
    bad = {}
    bad["tampered"], words = make("tampered"), {}
    bad["tampered"].spoil, words["tampered"] = every(20, tampered), "not its own"
    bad["replayed"] = make("replayed")
    bad["replayed"].spoil, words["replayed"] = every(9, lambda frame, seen: frame + seen[-2]), "not its own"
    bad["stranger"], words["stranger"] = make("stranger"), "is not the device's.*set-key"
    bad["stranger"].long_term = os.urandom(32)
    bad["keyless"], words["keyless"] = make("keyless", known=False), "has no long-term key of the EntropyKey .*set-key"
    for name, fail, said in (("correlated", "3", "its generators are correlated"), ("biased", "4", "left generator is strongly biased"),
                             ("cold", "7", "too cold: 262.1 K"), ("weak", "A", "supply voltage is too low: 2.700 V")):
        bad[name], words[name] = make(name), said
        bad[name].fail, bad[name].temperature, bad[name].volts = fail, 2621, 2700
    bad["refusing"], words["refusing"] = make("refusing"), "its right generator is no longer random"
    bad["refusing"].fail, bad["refusing"].refuses = "2", True
    forger = bad["forger"] = make("forger")
    words["forger"] = "not its own"

    def forge(frame, _):
        # Before a session everybody knows the key: a man in the middle makes entropy of it.
        if frame[2:4] != b"K!":
            return frame
        from entropykey_emulator import prepared, short_mac
        content = b"E!AA" + base64.b64encode(bytes(32)).ljust(48)
        return b"* " + content + short_mac(prepared(forger.serial, bytes(32), "PMS"), content) + b"\r\n" + frame

    forger.spoil = forge
    node = serve(run, *bad.values())
    for name, key in bad.items():
        source = eventually(lambda: (s := node.source(key.source))["state"] == "failed" and s)
        assert re.search(words[name], source["detail"]), source
        if name not in ("tampered", "replayed"):
            assert source["bytes"] == 0, source
    assert node.source(bad["tampered"].source)["readings"]["bad_macs"] >= 3
    # One that comes again in the session after its own has a wrong MAC.
    readings = node.source(bad["replayed"].source)["readings"]
    assert readings["replayed_frames"] >= 1 and readings["replayed_frames"] + readings["bad_macs"] >= 3, readings
    # What is mended is taken up again: a key that is set counts at once.
    qanat("entropykey", "set-key", bad["stranger"].path, "--keyring", str(bad["stranger"].ring), stdin=bad["stranger"].master_text())
    eventually(lambda: node.source(bad["stranger"].source)["state"] == "healthy")
    log = node.log()
    assert base64.b64encode(bad["stranger"].long_term).decode() not in log
    assert node.stop() == 0


def test_a_keyring_that_cannot_be_read_is_said(run, keys):
    key = keys()
    key.ring.unlink()
    node = serve(run, key)
    source = eventually(lambda: (s := node.source(key.source))["state"] == "failed" and s)
    assert "cannot read the keyring" in source["detail"] and "keyring=" in source["detail"], source


def mute_keys(keys, how):
    """One that hangs at a reset, one at a re-key, one that gives no entropy."""
    found = {}
    for letter in "SKE":
        found[letter] = keys(f"{how}-{letter}", serial=base64.b64encode(f"{how}{letter}".ljust(12).encode()).decode())
        found[letter].mute = letter
    return found


def test_one_that_hangs_is_given_up_in_every_state_and_stops_nobody(run, keys):
    silent, halted = mute_keys(keys, "hangs"), mute_keys(keys, "halted")
    words = {"S": "does not answer within 5 s", "K": "does not begin a session within 5 s", "E": "no entropy for 5 s"}
    node = serve(run, *silent.values())
    # A stop is obeyed in each of these waits.
    nodes = [serve(run, key, name=f"node-{letter}") for letter, key in halted.items()]
    for key in halted.values():
        eventually(lambda: key.resets > 0)
    began = time.monotonic()
    for other in nodes:
        other.process.terminate()
    for other in nodes:
        assert other.process.wait(20) == 0
    assert time.monotonic() - began < 4.5
    for letter, key in silent.items():
        gone = eventually(lambda: (s := node.source(key.source))["state"] == "gone" and s)
        assert words[letter] in gone["detail"], gone
        key.mute = ""
    for key in silent.values():
        eventually(lambda: node.source(key.source)["state"] == "healthy")


def test_pulled_out_in_every_state(run, keys):
    pulled = mute_keys(keys, "pulled")
    node = serve(run, *pulled.values())
    for letter, key in pulled.items():
        eventually(lambda: key.resets > 0 and (letter != "E" or key.rekeys > 0))
        key.unplug()
        gone = eventually(lambda: (s := node.source(key.source))["state"] == "gone" and s)
        assert "cannot" in gone["detail"] or "ended" in gone["detail"], gone
        key.mute = ""
        key.plug()
    for key in pulled.values():
        eventually(lambda: node.source(key.source)["state"] == "healthy")
