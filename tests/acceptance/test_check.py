"""What `qanat check` finds before a start, and what a start says of what it leaves out. docs/configuration.md."""

import os
import re
import socket
import subprocess

import pytest
from conftest import QANAT, free_port, qanat


@pytest.fixture
def check(tmp_path):
    """`check(text, *options)`: exit code, standard output, what is wrong, a line each; T in the text is a directory."""

    def run(text, *options):
        config = tmp_path / "q.toml"
        config.write_bytes(text.replace("T/", f"{tmp_path}/").encode() if isinstance(text, str) else text)
        done = qanat("check", "--config", str(config), "--state", str(tmp_path / "state"), *options, check=False)
        wrong = [line.removeprefix("qanat: ").replace(str(tmp_path), "T") for line in done.stderr.splitlines()]
        return done.returncode, done.stdout, wrong

    return run


OUT = '[[outlet]]\nname = "stdout"\n'


@pytest.mark.parametrize("text, places", [
    ('[[outlet]]\nname = "https://127.0.0.1:PORT"\ncert = "/nonexistent/c"\nkey = "/nonexistent/k"\n', [":3:8: outlet.cert:", ":4:7: outlet.key:"]),
    ('[[outlet]]\nname = "broker://127.0.0.1:PORT"\nusers = "/nonexistent/users"\n', [":3:9: outlet.users:"]),
    ('[[outlet]]\nname = "egd:T/egd"\ngroup = "kwm"\n', [":3:9: outlet.group:"]),
    ('[[outlet]]\nname = "file:/tmp"\n', [":2:8: outlet:"]),
    ('[[source]]\nname = "file:/tmp"\n' + OUT, [":2:8: source:"]),
    ('[[outlet]]\nname = "http://127.0.0.1:PORT"\nconnections = 0\n', [":3:15: outlet:"]),
    ('[limits]\nidle = "1ms"\n[drbg]\nreseed_interval = "0s"\n[node]\nthreads = "two"\n' + OUT,
     [":2:8: limits.idle: write a time from 1s to 24h, like \"60s\"", ":4:19: drbg.reseed_interval: write a time from 1s to 24h, like \"60s\"", ":6:11: node.threads: write a number from 1 to 256"]),
    ('[node]\nquorum = 2\n' + OUT, [":2:10: a quorum of 2 is of upstreams"]),
    ('[[source]]\nname = "https://127.0.0.1:1"\nca = "/nonexistent/ca"\n' + OUT, [":3:6: source.ca:"]),
    ('[[source]]\nname = "pkcs11:token=t"\nmodule-path = "/nonexistent/m.so"\npin-source = "file:/nonexistent/pin"\n' + OUT,
     [":3:15: source.module-path:", ":4:14: source.pin-source:"]),
    ('[[alarm]]\nwebhook = "https://127.0.0.1:1"\nca = "/nonexistent/ca"\n' + OUT, [":3:6: alarm:"]),
    ('[[outlet]]\nname = "http://192.0.2.1:1?access=open"\n', [":2:8: outlet: http://192.0.2.1:1"]),
    ('[[outlet]]\nname = "egd:/nonexistent/no/egd"\n', [":2:8: outlet:"]),
])
def test_what_would_not_work_has_its_line(check, text, places):
    code, said, wrong = check(text.replace("PORT", str(free_port())))
    assert code == 1 and said == "", said
    assert len(wrong) == len(places), wrong
    for line, place in zip(wrong, places):
        assert place in line, wrong
        # Neither numbers that nobody knows nor names that nobody gave.
        assert not re.search(r"error \d|OpenSSL error|asio|qanat1-|\.cpp|\.qanat-\d", line), line


def test_what_serve_refuses_is_refused_here(run, check, tmp_path):
    """The same configuration, and the same words."""
    text = f'[[outlet]]\nname = "https://127.0.0.1:{free_port()}"\ncert = "/nonexistent/c"\n'
    code, _, wrong = check(text)
    done = qanat("serve", "--config", str(tmp_path / "q.toml"), "--state", str(tmp_path / "s"), check=False)
    assert code == done.returncode == 1
    words = "cannot open /nonexistent/c: No such file or directory"
    assert words in wrong[0] and words in done.stderr, (wrong, done.stderr)


def test_an_address_that_is_taken(run, check, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        code, _, wrong = check(f'[[outlet]]\nname = "http://127.0.0.1:{port}"\n')
    assert code == 1 and "Address already in use" in wrong[0] and ":2:8: outlet:" in wrong[0]
    # What the node that runs with this state has, it would give up.
    port = free_port()
    run("serve", "--source", "jitter", "--outlet", f"http://127.0.0.1:{port}", "--outlet", f"egd:{tmp_path}/egd", name="state").up()
    code, said, wrong = check(f'[[outlet]]\nname = "http://127.0.0.1:{port}?grade=drbg"\n[[outlet]]\nname = "egd:T/egd"\n')
    assert code == 0, wrong


def test_a_port_that_this_account_may_not_have(check, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("takes root")
    config = tmp_path / "low.toml"
    config.write_text('[[outlet]]\nname = "http://127.0.0.1:81"\n')
    for path in (config, *config.parents):
        if "pytest-" in str(path):
            path.chmod(0o755)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", QANAT, "check", str(config), "--state", "/nonexistent/state"],
                          capture_output=True, text=True, timeout=20)
    start = open("/proc/sys/net/ipv4/ip_unprivileged_port_start").read()
    if int(start) <= 81:
        pytest.skip(f"every account may have ports from {start}")
    assert done.returncode == 1 and "Permission denied" in done.stderr and f"{config}:2:8" in done.stderr, done


def test_takes_what_serve_takes(check, tmp_path):
    port = free_port()
    code, said, wrong = check("[node]\nthreads = 2\n", "--source", "jitter", "--outlet", f"http://127.0.0.1:{port}", "--threads", "3", "--log", "json")
    assert code == 0 and "Threads 3" in said and "jitter" in said and f"127.0.0.1:{port}" in said and "hwrng" not in said, (said, wrong)
    # All at once, of the file and of the command line.
    code, _, wrong = check("[reserve]\nsze = 1\n", "--source", "nonsense", "--source", f"@{tmp_path}/absent", "--source", "qanat1.AAAA",
                           "--outlet", "https://127.0.0.1:0?cert=/nonexistent/c", "--quorum", "2")
    assert code == 1 and len(wrong) == 6
    for words in ("q.toml:2:1: reserve.sze: unknown key", "unknown source 'nonsense'", "absent: No such file", "damaged join string", "outlet.cert: https://127.0.0.1:0",
                  "a quorum of 2 is of upstreams"):
        assert any(words in line for line in wrong), (words, wrong)
    plain = qanat("check", str(tmp_path / "q.toml"), check=False)
    assert plain.returncode == 1 and "reserve.sze" in plain.stderr
    twice = qanat("check", str(tmp_path / "q.toml"), "--config", str(tmp_path / "q.toml"), check=False)
    assert twice.returncode == 2


def test_one_mistake_brings_no_others(check):
    """An outlet that is wrong is not one of the default ones, whose addresses somebody may have."""
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", 7748))
            s.listen()
        except OSError:
            pass  # somebody has
        code, _, wrong = check('[[outlet]]\nname = "http://127.0.0.1:1"\nconnections = 0\n')
        assert code == 1 and len(wrong) == 1 and ":3:15: outlet:" in wrong[0], wrong
        assert len(check("", "--outlet", "nonsense")[2]) == 1


def test_serve_tells_how_many_problems_there_are(check, tmp_path):
    check('[reserve]\nsze = 1\n[node]\nthreads = "two"\n')
    done = qanat("serve", "--config", str(tmp_path / "q.toml"), "--state", str(tmp_path / "s"), check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "q.toml:2:1: reserve.sze" in done.stderr and "(and 1 more: 'qanat check' tells all)" in done.stderr


def test_warnings_are_counted(check):
    code, said, _ = check(f'[[outlet]]\nname = "trickle://127.0.0.1:{free_port()}"\n[[alarm]]\ncommand = "/nonexistent/alarm"\n')
    assert code == 0 and said.splitlines()[0].endswith("q.toml: valid, with 2 warnings")
    assert "clients cannot begin sessions here" in said and "alarm.command: cannot run /nonexistent/alarm" in said


def test_for_another_machine(check):
    text = '[[outlet]]\nname = "https://192.0.2.1:443"\ncert = "/nonexistent/c"\n'
    assert check(text)[0] == 1
    code, said, _ = check(text, "--elsewhere")
    assert code == 0 and "valid" in said


def test_what_a_source_lacks_for_now_is_no_mistake(check):
    code, said, _ = check('[[source]]\nname = "tpm:swtpm:path=/nonexistent/sock"\n[[source]]\nname = "egd:/nonexistent/egd"\n' + OUT)
    assert code == 0 and said.count("not there now: /nonexistent/") == 2, said


def test_spellings_and_marks(check):
    code, said, wrong = check(b'\xef\xbb\xbf[node]\non_reseed = "true"\n[drbg]\nreseed-interval = "30s"\nreseed_bytes = "1MiB"\n[limits]\nfull_bytes = "8KiB"\n' + OUT.encode())
    assert code == 0 and "reseeded every 30.0 s or 1 MiB" in said, wrong


def test_the_log_says_which_default_outlets_there_are_not(run):
    port = free_port()
    node = run("serve", "--source", "jitter", "--outlet", f"http://127.0.0.1:{port}").up()
    line = next(line for line in node.log().splitlines() if "default" in line)
    for words in ("not served: http://127.0.0.1:7748 (", "egd:", "/egd", "--outlet 'http://127.0.0.1:7748'"):
        assert words in line, line
    assert node.log().count("default") == 1 and not [e for e in node.status()["events"] if e["alarm"]], "one line, and no alarm"
    # The same in what it tells beforehand.
    said = qanat("check", "--source", "jitter", "--outlet", "stdout", "--state", str(node.state) + "-other").stdout
    assert "not served: http://127.0.0.1:7748" in said
