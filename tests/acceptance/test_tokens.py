"""Generators behind other people's libraries: a TPM (swtpm) and PKCS#11 tokens (SoftHSM 2), as they come and go, hang and refuse."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest
from conftest import eventually, fetch, free_port, need, qanat

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN, WRONG = "73105562", "73105563"


class Swtpm:
    def __init__(self, directory, flags):
        need("swtpm")
        self.directory, self.flags = directory, flags
        directory.mkdir()
        self.path = directory / "sock"
        self.tcti = f"swtpm:path={self.path}"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.directory}", "--server", f"type=unixio,path={self.path}",
             "--ctrl", f"type=unixio,path={self.path}.ctrl", "--flags", self.flags], stderr=subprocess.DEVNULL)
        eventually(lambda: os.path.exists(f"{self.path}.ctrl") and self.path.exists())
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def swtpm(tmp_path):
    made = []

    def make(name="tpm", flags="not-need-init,startup-clear"):
        made.append(Swtpm(tmp_path / name, flags).start())
        return made[-1]

    yield make
    for tpm in made:
        tpm.kill()


def probe(source, env=None):
    return json.loads(qanat("sources", "--json", "--for", "200ms", source, check=False, env=env).stdout)[0]


def retest(node):
    """Whoever rests does not notice what has happened to it."""
    qanat("sources", "--retest", "--state", str(node.state))


def becomes(node, name, state, words=""):
    def there():
        source = node.source(name)
        return source["state"] == state and words in source["detail"] and source
    return eventually(there)


def test_a_tpm_is_credited_as_configured_and_lost_and_found(run, swtpm):
    tpm = swtpm()
    plain, more, none = (f"tpm:{tpm.tcti}{claim}" for claim in ("", "?h=6", "?credit=no"))
    node = run("serve", "--source", plain, "--source", more, "--source", none, "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    eventually(lambda: all(node.source(name)["state"] == "healthy" and node.source(name)["bytes"] >= 1024 for name in (plain, more, none)))
    assert node.source(plain)["h"] == 4 and node.source(more)["h"] == 6
    assert node.source(plain)["ledger"]["credited"] > 0 and node.source(more)["ledger"]["credited"] > 0
    assert node.source(none)["ledger"]["credited"] == 0 and not node.source(none)["credit"]
    # Whoever else wants it has it meanwhile.
    need("tpm2_getrandom")
    given = subprocess.run(["tpm2_getrandom", "-T", tpm.tcti, "--hex", "16"], capture_output=True, text=True, timeout=30)
    assert re.fullmatch("[0-9a-f]{32}", given.stdout), given
    tpm.kill()
    retest(node)
    becomes(node, plain, "gone", "cannot reach a TPM by")
    tpm.start()
    becomes(node, plain, "healthy")
    assert node.stop() == 0
    assert not re.search(r"(WARNING|ERROR):\w+:", node.log()), node.log()  # the library's own words


def test_a_tpm_that_was_not_started_is_told_in_words(swtpm):
    told = probe(f"tpm:{swtpm(flags='not-need-init').tcti}")
    assert "has not been started (TPM2_Startup)" in told["note"], told
    assert "cannot open it: No such file" in probe("tpm:device:/nonexistent")["note"]


def test_a_tpm_that_hangs_or_is_held_by_another_holds_up_nothing(run, swtpm):
    stopped, held = swtpm("stopped"), swtpm("held")
    names = [f"tpm:{tpm.tcti}" for tpm in (stopped, held)]
    arguments = ["serve", *(word for name in names for word in ("--source", name))]
    stays = run(*arguments, "--outlet", f"http://127.0.0.1:{free_port()}", name="stays").up()
    ends = run(*arguments, "--outlet", f"http://127.0.0.1:{free_port()}", name="ends").up()
    for node in (stays, ends):
        for name in names:
            eventually(lambda: node.source(name)["state"] == "healthy")
    # swtpm serves one at a time, for as long as that one likes.
    other = socket.socket(socket.AF_UNIX)
    other.connect(str(held.path))
    other.send(bytes.fromhex("80010000000c0000017b0008"))
    assert len(other.recv(64)) == 20
    stopped.process.send_signal(signal.SIGSTOP)
    for node in (stays, ends):
        retest(node)
    assert ends.stop(limit=5) == 0
    for name in names:
        becomes(stays, name, "gone", "answer")
    assert stays.log().count("has not answered for 10") == 2, stays.log()
    other.close()
    stopped.process.send_signal(signal.SIGCONT)
    for name in names:
        becomes(stays, name, "healthy")
    # And while it looks for one that hangs.
    stopped.process.send_signal(signal.SIGSTOP)
    retest(stays)
    assert stays.stop(limit=5) == 0


@pytest.fixture
def softhsm(tmp_path):
    """An environment with a token 't1' of SoftHSM."""
    need("softhsm2-util")
    (tmp_path / "tokens").mkdir()
    conf = tmp_path / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    env = {**os.environ, "SOFTHSM2_CONF": str(conf)}
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "t1", "--so-pin", "12345678", "--pin", PIN], env=env, check=True,
                   stdout=subprocess.DEVNULL)
    return env


def test_a_token_is_credited_as_configured_lost_and_found_and_its_pin_is_told_to_nobody(run, softhsm, tmp_path):
    pin = tmp_path / "pin"
    pin.write_text(PIN + "\n")
    pin.chmod(0o600)
    by_file = f"pkcs11:token=t1?module-path={SOFTHSM}&pin-source=file:{pin}&h=4"
    by_value = f"pkcs11:token=t1?module-path={SOFTHSM}&pin-value={PIN}&h=4"
    unclaimed = f"pkcs11:?module-path={SOFTHSM}"
    missing = f"pkcs11:token=t9?module-path={SOFTHSM}&h=4"
    port = free_port()
    config = tmp_path / "qanat.toml"
    config.write_text("".join(f'[[source]]\nname = "{name}"\n' for name in (by_file, by_value, unclaimed, missing))
                      + f'[[outlet]]\nname = "http://127.0.0.1:{port}"\n')
    config.chmod(0o644)
    checked = qanat("check", "--config", str(config)).stdout
    assert "holds a join string or a PIN" in checked and "credited only as h= or credit=yes claims" in checked, checked
    node = run("serve", "--config", str(config), env=softhsm).ready()
    shown = by_value.replace(PIN, "...")
    for name in (by_file, shown, unclaimed):
        eventually(lambda: node.source(name)["state"] == "healthy" and node.source(name)["bytes"] >= 1024)
    assert node.source(by_file)["ledger"]["credited"] > 0 and node.source(shown)["ledger"]["credited"] > 0
    assert node.source(unclaimed)["ledger"]["credited"] == 0
    assert "there is no token pkcs11:token=t9; there is 't1'" in becomes(node, missing, "gone")["detail"]
    # What SoftHSM has open it keeps; whoever looks for it anew does not find it.
    (tmp_path / "tokens").rename(tmp_path / "away")
    assert probe(unclaimed, softhsm)["state"] == "gone"
    late = run("serve", "--source", by_file, "--outlet", f"http://127.0.0.1:{free_port()}", env=softhsm, name="late").up()
    becomes(late, by_file, "gone")
    (tmp_path / "away").rename(tmp_path / "tokens")
    becomes(late, by_file, "healthy")
    retest(node)
    becomes(node, by_file, "healthy")
    told = [checked, qanat("status", "--state", str(node.state)).stdout, json.dumps(node.status()), fetch(port, "/metrics")[1].decode(),
            fetch(port, "/v1/status")[1].decode(), qanat("events", "--state", str(node.state)).stdout]
    assert node.stop() == 0 and late.stop() == 0
    for text in [*told, node.log(), late.log()]:
        assert PIN not in text, text


def test_a_wrong_pin_is_sent_once(run, softhsm, tmp_path):
    # Writes down each call, and hands it on.
    spies = list(pathlib.Path("/usr/lib").glob("**/pkcs11-spy.so"))
    if not spies:
        pytest.skip("pkcs11-spy.so is not installed (opensc-pkcs11)")
    heard = tmp_path / "heard"
    env = {**softhsm, "PKCS11SPY": SOFTHSM, "PKCS11SPY_OUTPUT": str(heard)}
    name = f"pkcs11:token=t1?module-path={spies[0]}&pin-value={WRONG}&h=4"
    logins = lambda: heard.read_text().count("C_Login")
    node = run("serve", "--source", name, "--outlet", f"http://127.0.0.1:{free_port()}", env=env).up()
    shown = name.replace(WRONG, "...")
    becomes(node, shown, "failed", "refuse")
    # It is tried again, and the token asked for its name, but not to log in.
    asked = heard.read_text().count("C_OpenSession")
    retest(node)
    eventually(lambda: heard.read_text().count("C_OpenSession") > asked)
    becomes(node, shown, "failed", "not sent again")
    assert logins() == 1
    assert node.stop() == 0 and WRONG not in node.log()


def test_what_a_token_lacks_is_told_in_words(softhsm, tmp_path):
    (tmp_path / "none").mkdir()
    empty = tmp_path / "empty.conf"
    empty.write_text(f"directories.tokendir = {tmp_path}/none\n")
    name = f"pkcs11:?module-path={SOFTHSM}"
    assert "is not initialised" in probe(name, {**softhsm, "SOFTHSM2_CONF": str(empty)})["note"]
    assert "does not start" in probe(name, {**softhsm, "SOFTHSM2_CONF": "/nonexistent"})["note"]
    assert "is more than one token" not in probe(name, softhsm)["note"]
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "t2", "--so-pin", "12345678", "--pin", PIN], env=softhsm, check=True,
                   stdout=subprocess.DEVNULL)
    assert "is more than one token" in probe(name, softhsm)["note"]
    assert probe(f"pkcs11:token=t2?module-path={SOFTHSM}", softhsm)["state"] == "healthy"
