"""What a person types, and what a daemon is expected to do."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from conftest import QANAT, balanced, eventually, fetch, free_port, need, need_root, qanat


def refused(*arguments, **more):
    done = qanat(*arguments, check=False, **more)
    assert done.stderr.count("\n") <= 2, "one line says why and what to do"
    return done


def test_help_version_and_usage():
    assert qanat("--version").stdout.startswith("qanat ")
    for command in ("serve", "invite", "revoke", "allow", "clients", "feed", "get", "sources", "status", "top", "check"):
        assert command in qanat("--help").stdout
        assert qanat(command, "--help").stdout
    for arguments in ((), ("nonsense",), ("get",), ("feed",), ("invite",), ("serve", "--threads", "0"), ("serve", "--nonsense")):
        assert refused(*arguments).returncode == 2, arguments
    for arguments, words, command in (
        (("nonsense",), "there is no command 'nonsense'", "qanat"),
        (("bench", "nonsense"), "there is no command 'nonsense'", "qanat bench"),
        (("--nonsense",), "--nonsense", "qanat"),
        (("get", "5", "--nonsense"), "--nonsense", "qanat get"),
        # A value that cannot be is usage, too.
        (("get", "5x"), "5x", "qanat get"),
        (("get", "5", "--grade", "best"), "--grade best", "qanat get"),
        (("get", "5", "--wait", "soon"), "--wait soon", "qanat get"),
        (("get", "5", "--from", ""), "--from: is empty", "qanat get"),
        (("get", "5", "--from", "nonsense"), "nonsense", "qanat get"),
        (("sources", "--for", "0"), "--for 0 is not a duration of at least", "qanat sources"),
        (("sources", "nonsense"), "unknown source 'nonsense'", "qanat sources"),
        (("sources", "exec:"), "write exec:COMMAND", "qanat sources"),
        (("top", "--every", "x"), "--every x", "qanat top"),
        (("seed", "--for-guest", "vmdk"), "vmdk", "qanat seed"),
        (("feed", "http://127.0.0.1:1", "--bytes", "5"), "--bytes 5", "qanat feed"),
        (("feed", "http://127.0.0.1:1", "--outlet", "nonsense"), "unknown outlet", "qanat feed"),
        (("serve", "--outlet", "http://127.0.0.1:99999"), ": '99999' in '127.0.0.1:99999' is not a port", "qanat serve"),
        (("serve", "--source", "https://hub:99999"), "https://hub:99999: '99999' in 'hub:99999' is not a port", "qanat serve"),
        (("bench", "trickle", "https://hub:1", "--grade", "best"), "--grade best", "qanat bench trickle"),
        (("invite", "a b"), "'a b' is not a client name", "qanat invite"),
        (("invite", "a", "--rate", "fast"), "--rate fast", "qanat invite"),
        (("invite", "a", "--address", "hub:0"), "0 is not a port that can be reached", "qanat invite"),
        (("nonsense", "--help"), "there is no command 'nonsense'", "qanat"),
        (("sources", "--retest", "jitter"), "--retest", "qanat sources"),
        (("get", "5", "--odd"), "there is no option '--odd' here", "qanat get"),
        (("get", "5", "--wait"), "--wait needs a value", "qanat get"),
        (("get", "5", "--wait", "1s", "--wait", "2s"), "--wait is given twice", "qanat get"),
    ):
        done = refused(*arguments)
        assert done.returncode == 2 and words in done.stderr, (arguments, done.stderr)
        assert done.stderr.endswith(f"\nTry '{command} --help'.\n"), (arguments, done.stderr)


def test_get_in_every_format(hub):
    state = ("--state", str(hub.state))
    assert len(bytes.fromhex(qanat("get", "100", "--format", "hex", *state).stdout.strip())) == 100
    assert len(qanat("get", "10000", "--format", "base64", *state).stdout.strip()) == 13336
    done = subprocess.run([QANAT, "get", "5M", *state], capture_output=True, timeout=60)
    assert done.returncode == 0 and len(done.stdout) == 5_000_000
    full = subprocess.run([QANAT, "get", "20000", "--grade", "full", *state], capture_output=True, timeout=60)
    assert full.returncode == 0 and len(full.stdout) == 20000
    for bad in (("get", "x"), ("get", "0"), ("get", "-5"), ("get", "5", "--grade", "best"), ("get", "5", "--format", "xml")):
        assert refused(*bad, *state).returncode == 2, bad


def test_join_strings_that_are_cut_wrong_or_revoked(hub, tmp_path):
    join = hub.invite("router", "--rate", "1KiB/s")
    listed = json.loads(qanat("clients", "--json", "--state", str(hub.state)).stdout)
    assert listed[0]["name"] == "router" and listed[0]["rate"] == 1024
    cut = refused("feed", join[: len(join) // 2], "--once", "--state", str(tmp_path / "f"))
    assert cut.returncode == 1 and "damaged join string" in cut.stderr
    # The same name at another hub: another key.
    wrong = hub.invite("other", "--address", f"127.0.0.1:{hub.status()['outlets'][0]['detail'].rsplit(':', 1)[1]}")
    assert wrong != join
    begin = time.monotonic()
    qanat("revoke", "router", "--state", str(hub.state))
    gone = refused("feed", join, "--once", "--state", str(tmp_path / "f"))
    assert gone.returncode == 1 and "401" in gone.stderr
    assert time.monotonic() - begin < 20, "a refusal is not waited out"
    again = refused("revoke", "router", "--state", str(hub.state))
    assert again.returncode == 1 and "revoked already" in again.stderr


def test_a_revoked_name_is_barred_until_it_is_allowed(hub, run):
    state = ("--state", str(hub.state))
    said = qanat("revoke", "never-seen", *state)
    assert "barred from now on" in said.stderr
    hub.invite("router")
    assert qanat("revoke", "router", *state).stderr == ""
    barred = refused("invite", "router", *state)
    assert barred.returncode == 1 and "qanat allow router" in barred.stderr
    assert json.loads(qanat("clients", "--revoked", "--json", *state).stdout) == ["never-seen", "router"]
    assert json.loads(qanat("clients", "--json", *state).stdout) == []
    assert "Revoked\n  never-seen\n  router\n" in qanat("clients", *state).stdout
    qanat("allow", "never-seen", *state)
    assert refused("allow", "never-seen", *state).returncode == 1
    # On disk, and without a node.
    hub.stop()
    assert qanat("clients", "--revoked", *state).stdout == "router\n"
    assert refused("invite", "router", "--address", "127.0.0.1:1", *state).returncode == 1
    qanat("allow", "router", *state)
    assert qanat("invite", "router", "--address", "127.0.0.1:1", *state).stdout.startswith("qanat1.")


def test_what_is_not_handed_over_is_undone(hub):
    state = ("--state", str(hub.state))

    def shell(words):
        return subprocess.run(["/bin/bash", "-c", words, "sh", QANAT, *state], capture_output=True, text=True, timeout=60)

    for target in (">/dev/full", ">&-", "> >(exec true; sleep 0)"):
        if target.startswith("> >"):
            done = shell('set -o pipefail; { sleep 0.2; "$1" invite lost "${@:2}"; } | true')
        else:
            done = shell(f'"$1" invite lost "${{@:2}}" {target}')
        assert done.returncode == 1, (target, done.stderr)
        assert "standard output" in done.stderr
        assert hub.status()["clients"] == []
    assert hub.invite("lost").startswith("qanat1."), "no bar is left"
    for words in ("status", "status --json", "clients", "get 8 --format hex", "get 5M", "--help", "--version",
                  "get --help", "check", "seed --for-guest file", "top --for 1s", "sources --for 1ms jitter"):
        more = "" if words in ("--help", "--version", "get --help", "check", "sources --for 1ms jitter") else '"${@:2}"'
        for target in (">/dev/full", ">&-"):
            done = shell(f'"$1" {words} {more} {target}')
            assert done.returncode == 1, (words, target, done)
            assert done.stderr.count("\n") <= 2 and "standard output" in done.stderr, (words, target, done.stderr)


def test_a_node_that_does_not_answer_is_reported_and_does_nothing_later(hub):
    state = ("--state", str(hub.state))
    hub.process.send_signal(signal.SIGSTOP)
    try:
        commands = [("status",), ("invite", "ghost"), ("revoke", "ghost"), ("clients",), ("get", "8"),
                    ("seed", "--for-guest", "file")]
        asked = [subprocess.Popen([QANAT, *command, *state], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                 for command in commands]
        for process in asked:
            out, err = process.communicate(timeout=20)
            assert process.returncode == 1 and out == "", process.args
            assert f"the node (pid {hub.process.pid}) does not answer" in err and err.count("\n") == 1, err
    finally:
        hub.process.send_signal(signal.SIGCONT)
    assert hub.invite("another")
    assert [client["name"] for client in hub.status()["clients"]] == ["another"]
    assert qanat("clients", "--revoked", *state).stdout == ""


def test_a_hub_with_another_key_is_not_talked_to(run, tmp_path):
    port = free_port()
    arguments = ("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}")
    first = run(*arguments, name="one").ready()
    join = first.invite("leaf")
    first.stop()
    other = run(*arguments, name="two").ready()
    done = refused("get", "16", "--from", join)
    assert done.returncode == 1 and "not the pinned one" in done.stderr
    assert eventually(lambda: other.status()["outlets"][0]["refused"]["handshake"] == 1)
    assert other.status()["outlets"][0]["refused"]["unauthorised"] == 0, "nothing was sent"


def test_the_join_string_is_hidden_from_the_process_list(hub, run, tmp_path):
    join = hub.invite("leaf")
    feed = run("feed", join, "--outlet", f"file:{tmp_path}/s", name="feed").up()
    assert join[8:40] not in pathlib.Path(f"/proc/{feed.process.pid}/cmdline").read_text()


def test_join_strings_are_hidden_in_every_form_and_files_that_others_can_read_refused(hub, run, tmp_path):
    join = hub.invite("leaf")
    relay = run("serve", f"--source={join}", "--outlet", f"raw:{tmp_path}/raw", name="relay").up()
    assert join[8:40] not in pathlib.Path(f"/proc/{relay.process.pid}/cmdline").read_text()
    path = tmp_path / "join"
    path.write_text(join + "\n")
    for mode in (0o644, 0o640, 0o622):
        path.chmod(mode)
        done = refused("get", "8", "--from", f"@{path}")
        assert done.returncode == 1 and f"chmod 600 {path}" in done.stderr
    path.chmod(0o600)
    assert len(qanat("get", "8", f"--from=@{path}", "--format", "hex").stdout) == 17
    assert len(qanat("get", "8", "--from", "-", "--format", "hex", stdin=join).stdout) == 17
    config = tmp_path / "q.toml"
    config.write_text(f'[[source]]\nname = "{join}"\n')
    config.chmod(0o644)
    said = qanat("check", "--config", str(config)).stdout
    assert f"chmod 600 {config}" in said and join[8:40] not in said
    config.chmod(0o600)
    assert "warning" not in qanat("check", "--config", str(config)).stdout


def test_who_may_have_the_state_directory(run, tmp_path):
    def told(*command, **more):
        done = refused(*command, **more)
        assert done.returncode == 1, done.stdout
        return done.stderr

    # What only looks makes nothing.
    none = tmp_path / "none"
    for command in (("status",), ("clients",), ("revoke", "x"), ("allow", "x"), ("get", "1"), ("sources", "--retest"), ("seed", "--for-guest", "file")):
        assert f"there is no state directory {none}" in told(*command, "--state", str(none)), command
    assert f"there is no state directory {none}" in told("get", "1", "--from", "http://127.0.0.1:1", "--state", str(none))
    assert not none.exists()
    serve = ("serve", "--source", "kernel", "--outlet", f"fifo:{tmp_path}/f")
    # What can be none is refused, by those that would make it, too.
    file = tmp_path / "file"
    file.write_text("mine")
    makers = (serve, ("feed", "http://127.0.0.1:1", "--once"), ("invite", "x", "--address", "h:1"))
    lookers = (("status",), ("clients",), ("revoke", "x"), ("allow", "x"), ("get", "1"), ("seed", "--for-guest", "file"))
    for command in makers + lookers:
        assert f"{file} is not a directory" in told(*command, "--state", str(file)), command
        done = refused(*command, "--state", "")
        assert done.returncode == 2 and "--state: is empty" in done.stderr, done.stderr
    for command in makers:
        assert "cannot make the state directory /proc/none" in told(*command, "--state", "/proc/none"), command
    assert file.read_text() == "mine"
    wide = tmp_path / "wide"
    wide.mkdir()
    wide.chmod(0o777)
    for command in (serve, ("invite", "x", "--address", "h:1"), ("feed", "http://127.0.0.1:1", "--once")):
        assert f"chmod 700 {wide}" in told(*command, "--state", str(wide)), command
        assert list(wide.iterdir()) == []
    inner = wide / "inner"
    inner.mkdir(mode=0o700)
    assert f"chmod go-w {wide}" in told(*serve, "--state", str(inner))
    wide.chmod(0o1777)
    node = run(*serve, name="wide/inner").up()
    if os.geteuid() != 0:
        return
    tmp_path.chmod(0o711)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and parent != pathlib.Path("/tmp") and parent != pathlib.Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    inner.chmod(0o700)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = subprocess.run([*nobody, QANAT, "status", "--state", str(inner)], capture_output=True, text=True, env={})
    assert done.returncode == 1 and "ermission denied" in done.stderr and "root" in done.stderr, done.stderr
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    os.chown(foreign, 65534, 65534)
    assert "runuser" in told(*serve, "--state", str(foreign))
    assert list(foreign.iterdir()) == []
    # Without HOME the home is that of passwd, and never /tmp.
    done = subprocess.run([*nobody, QANAT, "status"], capture_output=True, text=True, env={})
    assert "/tmp" not in done.stderr and "/nonexistent/.local/state/qanat" in done.stderr, done.stderr


def test_a_state_directory_that_is_emptied_or_deleted_under_a_node(run, tmp_path):
    port = free_port()
    arguments = ("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}")
    node = run(*arguments).ready()
    join = node.invite("before")
    for remove in (lambda: [path.unlink() for path in node.state.iterdir()], lambda: shutil.rmtree(node.state)):
        remove()
        invite = refused("invite", "lost", "--address", f"127.0.0.1:{port}", "--state", str(node.state))
        assert invite.returncode == 1 and f"(pid {node.process.pid})" in invite.stderr
        second = refused("serve", "--source", "kernel", "--outlet", f"fifo:{tmp_path}/f", "--state", str(node.state))
        assert second.returncode == 1 and "another node runs with the state directory" in second.stderr
        node.state.mkdir(mode=0o700, exist_ok=True)
        node.state.chmod(0o700)
        assert not (node.state / "server.key").exists(), "nobody made another"
        node.process.send_signal(signal.SIGHUP)  # or a minute later
        node.up()
        assert {"server.key", "server.crt", "clients.json", "node-id", "lock"} <= {p.name for p in node.state.iterdir()}
    assert node.status()["node"]["problem"] == ""
    assert any(e["subject"] == "state" and e["alarm"] for e in node.status()["events"])
    after = node.invite("after")
    (node.state / "server.key").unlink()  # what it alone has in memory is not lost with it
    node.stop()
    run(*arguments).ready()
    for string in (join, after):
        assert len(qanat("get", "8", "--from", string, "--format", "hex").stdout) == 17


def test_a_boot_seed_for_another_outlet_is_refused_and_stays(tmp_path):
    seed = tmp_path / "seed"
    seed.write_bytes(bytes(64))
    seed.chmod(0o600)
    done = refused("feed", "--once", f"seed:{seed}", "--outlet", "stdout", "--state", str(tmp_path / "feed"))
    assert done.returncode == 1 and "goes to the kernel alone" in done.stderr
    assert seed.exists()


def test_a_lost_server_key_is_not_replaced_while_clients_know_it(run, tmp_path):
    state = tmp_path / "node"
    qanat("invite", "early", "--address", "127.0.0.1:1", "--state", str(state))
    (state / "server.key").rename(tmp_path / "kept")
    done = refused("serve", "--source", "kernel", "--outlet", f"fifo:{tmp_path}/f", "--state", str(state))
    assert done.returncode == 1 and f"{state}/server.key is missing" in done.stderr and "backup" in done.stderr
    assert not (state / "server.key").exists()
    (tmp_path / "kept").rename(state / "server.key")
    run("serve", "--source", "kernel", "--outlet", f"fifo:{tmp_path}/f").up()


def test_temporaries_of_a_killed_node_are_removed_at_the_next_start(run, tmp_path):
    seed = tmp_path / "hub.seed"
    left = [tmp_path / ".hub.seed.qanat-17-1", tmp_path / "node" / ".clients.json.qanat-17-1"]
    left[1].parent.mkdir(mode=0o700)
    for path in left:
        path.write_bytes(b"seed")
    (tmp_path / "hub.seed.backup").write_text("mine")
    run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"file:{seed}").ready()
    eventually(seed.exists)
    assert not any(path.exists() for path in left) and (tmp_path / "hub.seed.backup").exists()


def test_invite_and_revoke_without_a_running_node(run, tmp_path):
    state = tmp_path / "node"
    port = free_port()
    nowhere = refused("invite", "early", "--state", str(state))
    assert nowhere.returncode == 1 and "--address" in nowhere.stderr
    join = qanat("invite", "early", "--address", f"127.0.0.1:{port}", "--state", str(state)).stdout.strip()
    assert refused("status", "--state", str(state)).returncode == 1
    run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}").ready()
    assert len(qanat("get", "8", "--from", join, "--format", "hex").stdout) == 17


def test_status_fits_80_columns_and_is_whole_in_json(hub):
    text = qanat("status", "--state", str(hub.state)).stdout
    assert max(map(len, text.splitlines())) <= 80
    document = hub.status()
    assert {"ledger", "sources", "outlets", "clients", "reserve", "node"} <= set(document)
    assert {"credited", "delivered", "discarded", "reseed", "reserve"} <= set(document["ledger"])
    assert {"id", "version", "uptime"} <= set(document["node"])
    assert {"name", "state", "rate", "h", "failures"} <= set(document["sources"][0])
    assert balanced(document["ledger"])


def test_sources_tells_good_from_bad():
    found = {s["name"]: s for s in json.loads(qanat("sources", "--json", "--for", "300ms").stdout)}
    assert found["jitter"]["state"] == "healthy"
    assert found["jitter"]["measured"] >= found["jitter"]["h"], "the default claim is conservative"
    done = qanat("sources", "--json", "--for", "300ms", "exec:cat /dev/zero", "device:/dev/nowhere", "exec:printf few", check=False)
    bad = json.loads(done.stdout)
    assert bad[0]["state"] == "failed" and bad[1]["state"] == "gone"
    assert done.returncode == 1 and "nothing could be read from device:/dev/nowhere;" in done.stderr
    assert "of the 1024 samples that the start-up test takes" in bad[2]["note"]
    assert max(map(len, qanat("sources", "--for", "100ms", "jitter").stdout.splitlines())) <= 80


def test_check_and_bad_configurations(tmp_path):
    good = tmp_path / "good.toml"
    good.write_text('[[source]]\nname = "jitter"\n[[outlet]]\nname = "https://0.0.0.0:7749"\n')
    said = qanat("check", "--config", str(good)).stdout
    assert "valid" in said and "join string" in said
    for text, words in (
        ("[reserve]\nsze = 1\n", ":2:1: reserve.sze: unknown key"),
        ('[[outlet]]\nname = "http://127.0.0.1:1"\n[[outlet]]\nname = "http://127.0.0.1:1"\n', "same place"),
        ('[[outlet]]\nname = "http://0.0.0.0:1"\n', "access=open"),
        ("[reserve]\nsize = [1]\n", "reserve.size"),
        ("frob = 1\n", ":1:1: frob: unknown key"),
        # The line of the key that is wrong, and not of the first that there is.
        ('[[source]]\nname = "jitter"\n\ncredit = "no"\nh = 99\n', ":5:5: source: jitter"),
        ('[[outlet]]\nmode = "0660"\n\nname = "http://127.0.0.1:99999"\n', ":2:8: outlet: http://127.0.0.1:99999"),
        ('[[outlet]]\ngrade = "drbg"\nname = "http://127.0.0.1:99999"\n', ":3:8: outlet: http://127.0.0.1:99999"),
        ('[[client]]\nrate = "1KiB/s"\n', "client: has no name"),
        ('[[client]]\nname = "a"\nrate = "1KiB/s"\nweight = 1e9\n', ":4:10: client a: weight"),
    ):
        bad = tmp_path / "bad.toml"
        bad.write_text(text)
        for command in (("check", "--config", str(bad)), ("serve", "--config", str(bad), "--state", str(tmp_path / "s"))):
            done = refused(*command)
            assert done.returncode == 1 and words in done.stderr and str(bad) in done.stderr, done.stderr
    assert not (tmp_path / "s").exists(), "nothing was started"
    # What is valid, and hardly meant.
    odd = tmp_path / "odd.toml"
    elsewhere = "darn" if os.uname().machine != "ppc64le" else "rdrand"
    odd.write_text(f'[[source]]\nname = "{elsewhere}"\n[[source]]\nname = "device:/dev/nowhere"\nh = 1\n[[outlet]]\nname = "trickle://127.0.0.1:1"\n[[client]]\nname = "a"\n')
    said = qanat("check", "--config", str(odd)).stdout
    assert "not there now: /dev/nowhere: No such file" in said and "credited 1 bit a byte" in said
    assert re.search(rf"{elsewhere} .*\n    not there now: ", said), said
    assert "clients cannot begin sessions here" in said and "Terms for clients" in said
    assert refused("check", "--config", "/nonexistent").returncode == 1


def test_a_feed_has_nothing_to_read_again(run, tmp_path):
    feed = run("feed", "http://127.0.0.1:1", "--outlet", f"file:{tmp_path}/seed").up()
    feed.process.send_signal(signal.SIGHUP)
    eventually(lambda: "a feed has nothing to read again; restart it" in feed.log())
    assert feed.status()["node"]["role"] == "feed"


def test_sighup_reloads_or_keeps_the_old(run, tmp_path):
    config = tmp_path / "q.toml"
    one, two = free_port(), free_port()
    write = lambda port, extra="": config.write_text(
        f'[[source]]\nname = "exec:cat /dev/urandom?h=8"\n[[outlet]]\nname = "http://127.0.0.1:{port}"\n{extra}')
    write(one)
    node = run("serve", "--config", str(config)).ready()
    write(two, "nonsense = 1\n")
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "stays as it was" in node.log())
    assert fetch(one, "/healthz")[0] == 200
    write(two)
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "configuration reloaded" in node.log())
    assert fetch(two, "/healthz")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        fetch(one, "/healthz")
    assert f"outlet http://127.0.0.1:{one}: stopped" in node.log()
    assert f"outlet http://127.0.0.1:{two}: started, listening on 127.0.0.1:{two}" in node.log()
    write(two, '[[source]]\nname = "kernel"\n[[outlet]]\nname = "trickle://127.0.0.1:%d"\n' % free_port())
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "source kernel: started" in node.log() and "clients cannot begin sessions here" in node.log())
    # Such a node invites only where it is told how it will be reached, and warns.
    refused_here = refused("invite", "x", "--state", str(node.state))
    assert refused_here.returncode == 1 and "no https outlet" in refused_here.stderr
    invited = qanat("invite", "x", "--address", "hub:7749", "--state", str(node.state))
    assert invited.stdout.startswith("qanat1.") and "the join string will not work yet" in invited.stderr
    write(two)
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "source kernel: stopped" in node.log())


def test_what_is_true_of_the_sources_is_said_to_who_gets_nothing(run):
    port, own = free_port(), free_port()
    node = run("serve", "--source", "device:/dev/nowhere", "--source", "exec:cat /dev/zero", "--source", "kernel",
               "--outlet", f"http://127.0.0.1:{port}", "--outlet", f"https://127.0.0.1:{own}").up()
    eventually(lambda: {s["name"]: s["state"] for s in node.status()["sources"]} ==
               {"device:/dev/nowhere": "gone", "exec:cat /dev/zero": "failed", "kernel": "healthy"})
    status, body, _ = fetch(port, "/v1/random?bytes=8")
    hint = json.loads(body)["hint"]
    assert status == 503 and "start-up" not in hint
    assert "device:/dev/nowhere is gone, exec:cat /dev/zero has failed, kernel is credited 0" in hint
    ready, body, _ = fetch(port, "/readyz")
    assert ready == 503 and "device:/dev/nowhere is gone" in json.loads(body)["hint"]
    here = ("--state", str(node.state))
    full = refused("get", "8", "--grade", "full", "--wait", "10ms", *here)
    assert full.returncode == 1 and "device:/dev/nowhere is gone" in full.stderr
    # A certificate that is nobody's.
    stranger = refused("get", "8", "--from", f"https://127.0.0.1:{own}")
    assert stranger.returncode == 1 and "qanat invite" in stranger.stderr and "?pin=" in stranger.stderr


def test_hints_to_a_person_name_the_options(run):
    port = free_port()
    node = run("serve", "--source", "exec:while head -c 64 /dev/urandom; do sleep 0.1; done?h=8",
               "--outlet", f"http://127.0.0.1:{port}").ready()
    ask = ("get", "60000", "--grade", "full", "--wait", "10ms", "--format", "hex", "--state", str(node.state))
    asked = eventually(lambda: (done := qanat(*ask, check=False)).returncode and done)
    assert "(--wait)" in asked.stderr and "--grade drbg" in asked.stderr and "wait=" not in asked.stderr, asked.stderr


def test_sigterm_finishes_deliveries_and_notifies(run, tmp_path):
    # What systemd would hear.
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(20)
    port = free_port()
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{port}",
               env={**os.environ, "NOTIFY_SOCKET": path}).ready()
    assert listener.recv(1000) == b"READY=1"
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"GET /v1/random?bytes=30M HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = len(client.recv(1000))
    node.process.terminate()
    while piece := client.recv(1 << 20):
        got += len(piece)
    assert got > 30_000_000
    assert node.process.wait(20) == 0
    said = b""
    while said != b"STOPPING=1":
        said = listener.recv(1000)  # lines for its status come first


def test_socket_activation(tmp_path):
    port = free_port()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    # A connection that waits before anybody serves.
    early = socket.create_connection(("127.0.0.1", port))
    early.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    def become_child():
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ["LISTEN_PID"] = str(os.getpid())

    process = subprocess.Popen(
        ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", QANAT, "serve", "--source", "kernel",
         "--outlet", f"http://127.0.0.1:{port}", "--state", str(tmp_path / "s")],
        preexec_fn=become_child, pass_fds=(3,), stderr=subprocess.DEVNULL)
    try:
        early.settimeout(20)
        assert early.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_kill_9_leaves_a_state_that_starts_again(run):
    port = free_port()
    for round in range(3):
        node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}", name="same").ready()
        node.invite(f"client-{round}")
        assert len(node.status()["clients"]) == round + 1
        node.process.kill()
        node.process.wait()


def test_a_full_disk_is_said_and_serving_goes_on(run, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)]).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    try:
        port = free_port()
        node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"https://127.0.0.1:{port}",
                   "--outlet", f"http://127.0.0.1:{(plain := free_port())}", name="small/node").ready()
        filler = open(mount / "filler", "wb", buffering=0)
        with pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
        done = refused("invite", "late", "--state", str(node.state))
        assert done.returncode == 1 and "No space left" in done.stderr
        assert fetch(plain, "/v1/random?bytes=8")[0] == 200
        assert node.status()["clients"] == []
        filler.close()
        (mount / "filler").unlink()
        assert node.invite("late").startswith("qanat1.")
        node.stop()
    finally:
        subprocess.run(["umount", "-l", str(mount)])


@pytest.mark.alone
def test_an_idle_node_with_a_full_reserve_sleeps(run):
    node = run("serve", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    eventually(lambda: (s := node.status())["reserve"]["bytes"] >= s["reserve"]["target"] * 7 // 8)
    eventually(lambda: all(s["state"] in ("healthy", "gone") for s in node.status()["sources"]))

    def wakeups():
        total = 0
        for task in pathlib.Path(f"/proc/{node.process.pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
        return total

    time.sleep(3)  # the status connections above are closed and swept
    before, begin = wakeups(), time.monotonic()
    time.sleep(5)
    rate = (wakeups() - before) / (time.monotonic() - begin)
    print(f"wake-ups a second of an idle node: {rate:.2f}")
    assert rate <= 1


def test_metrics_are_what_prometheus_reads(hub, tmp_path):
    status, body, headers = fetch(hub.port, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    text = body.decode()
    for name in ("qanat_ledger_bytes_total", "qanat_source_state", "qanat_outlet_refused_total", "qanat_reserve_bytes"):
        assert name in text
    need("promtool")
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0 and not checked.stdout + checked.stderr, checked


def test_a_silent_or_slow_client_disturbs_nobody(hub):
    connections = [socket.create_connection(("127.0.0.1", hub.port)) for _ in range(200)]
    for i, connection in enumerate(connections):
        if i % 2:
            connection.sendall(b"G")
    for _ in range(50):
        assert fetch(hub.port, "/v1/random?bytes=64")[0] == 200
    for connection in connections:
        connection.close()


def test_a_node_that_is_stuck_in_a_reload_ends_all_the_same(run, tmp_path):
    config = tmp_path / "qanat.toml"
    config.write_text(f"[[source]]\nname = 'jitter'\n[[outlet]]\nname = 'http://127.0.0.1:{free_port()}'\n")
    node = run("serve", "--config", str(config)).up()
    config.unlink()
    os.mkfifo(config)
    node.process.send_signal(signal.SIGHUP)
    # It waits for somebody to write: this end is open once it does.
    writer = os.open(config, os.O_WRONLY)
    node.process.terminate()
    assert node.process.wait(20) == 0
    assert "stopping takes too long" in node.log()
    os.close(writer)


def test_no_message_shows_a_part_of_a_join_string(hub, run, tmp_path):
    join = hub.invite("leaf")
    head, rest = join[:70], join[70:]
    config = tmp_path / "leaf.toml"
    config.write_text(f"[[source]]\nname = 'a{join[1:]}'\n")
    config.chmod(0o600)
    for words in (["get", "32", "--from", head, rest], ["get", "32", "--from", rest], ["status", rest], ["serve", "--source", head, rest],
                  ["serve", "--source", rest], ["serve", f"--source=a{join[1:]}"], ["serve", f"--sorce={join}"], ["feed", rest], ["invite", rest],
                  ["sources", rest], ["get", "32", "--from", f"/{rest[-50:]}"], ["feed", f"'{rest}"], ["check", "--config", str(config)], ["bench", "trickle", rest], ["serve", "--outlet", rest]):
        done = qanat(*words, check=False)
        assert done.returncode in (1, 2) and done.stderr, words
        # Not even ten letters of what may be the key.
        assert not any(rest[at:at + 10] in done.stdout + done.stderr for at in range(len(rest) - 9)), (words, done.stderr)


def test_half_a_join_string_in_the_wrong_place_does_nothing(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # With a "-" first it would be taken for an option.
    rest = hub.invite("leaf")[70:].lstrip("-")
    before = sorted(os.listdir())
    for words in (["revoke", rest, "--state", str(hub.state)], ["allow", rest], ["invite", rest, "--state", str(hub.state)], ["serve", "--source", f"https://{rest}"],
                  ["serve", "--source", f"device:{rest}"], ["serve", "--state", rest], ["sources", f"device:{rest}"], ["serve", "--outlet", f"file:{rest}"]):
        done = qanat(*words, check=False)
        assert done.returncode == 2 and "part of a join string" in done.stderr, (words, done.stderr)
        assert rest[:10] not in done.stderr + done.stdout
    assert sorted(os.listdir()) == before
    assert [c["name"] for c in hub.status()["clients"]] == ["leaf"]
    # What is long and no such thing.
    by_id = "device:/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10K4Z2X-if00-port0"
    assert "part of a join string" not in qanat("sources", by_id, "--for", "10ms", check=False).stderr
    pin = "https://127.0.0.1:1?pin=" + 32 * "0a"
    assert "part of a join string" not in qanat("get", "32", "--from", pin, check=False).stderr


@pytest.mark.parametrize("name", ["device:HALF", "https://HALF:80", "file:HALF"])
def test_half_a_join_string_in_a_file_is_refused(hub, tmp_path, name):
    half = hub.invite("leaf")[70:]
    config = tmp_path / "q.toml"
    config.write_text(f"[[source]]\nname = '{name.replace('HALF', half)}'\n")
    config.chmod(0o600)
    done = qanat("check", "--config", str(config), check=False)
    assert done.returncode == 1 and "part of a join string" in done.stderr and half[:10] not in done.stderr + done.stdout


def test_a_join_string_may_have_blanks_around_it(hub, tmp_path):
    join = hub.invite("leaf")
    assert len(subprocess.run([QANAT, "get", "32", "--from", f" {join}\n"], capture_output=True, check=True).stdout) == 32
    config = tmp_path / "q.toml"
    config.write_text(f"[[source]]\nname = ' {join} '\n")
    config.chmod(0o600)
    assert "as leaf" in qanat("check", "--config", str(config)).stdout


def test_a_join_string_in_the_wrong_place_does_nothing(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    join = hub.invite("leaf")
    before = sorted(os.listdir())
    for words in (["serve", "--state", join], ["revoke", join, "--state", str(hub.state)], ["allow", join], ["status", join], ["sources", join],
                  ["get", "32", "--from", f"https://{join}"], ["serve", "--outlet", join], ["invite", join],
                  ["invite", "x", "--weight", join], ["serve", "--threads", join], [join], ["get", "32", f"--{join}"], [join, "x"]):
        done = qanat(*words, check=False)
        assert done.returncode == 2 and "a join string" in done.stderr and "qanat1-" not in done.stderr, (words, done.stderr)
    assert sorted(os.listdir()) == before
    assert [c["name"] for c in hub.status()["clients"]] == ["leaf"]


@pytest.mark.parametrize("word", ["@FILE", "-"])
def test_serve_reads_a_join_string_from_a_file(hub, tmp_path, word):
    file = tmp_path / "join"
    file.write_text(hub.invite("leaf") + "\n")
    file.chmod(0o600)
    with file.open() as stdin, (tmp_path / "log").open("w") as log:
        leaf = subprocess.Popen([QANAT, "serve", "--source", word.replace("FILE", str(file)), "--outlet", f"http://127.0.0.1:{free_port()}",
                                 "--state", str(tmp_path / "leaf")], stdin=stdin, stderr=log)
    try:
        assert eventually(lambda: "as leaf: healthy" in (tmp_path / "log").read_text())
        # What was read stays.
        file.unlink()
        leaf.send_signal(signal.SIGHUP)
        assert eventually(lambda: "configuration reloaded" in (tmp_path / "log").read_text())
    finally:
        leaf.terminate()
        assert leaf.wait(20) == 0


def test_get_says_how_far_it_came(hub, tmp_path):
    (tmp_path / "join").write_text(hub.invite("leaf"))
    (tmp_path / "join").chmod(0o600)
    with open("/dev/full", "w") as full:
        done = subprocess.run([QANAT, "get", "1K", "--from", f"@{tmp_path}/join"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "No space left on device" in done.stderr
    done = qanat("get", "100M", "--format", "hex", "--grade", "full", "--wait", "0s", "--from", f"@{tmp_path}/join", check=False)
    assert done.returncode == 1 and "of 100000000 bytes were written; then https://" in done.stderr, done.stderr


def memory_holds(pid, word):
    """Whether the process has these bytes anywhere that can be read (its guard pages and the like cannot)."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            (begin, end), rights = (int(x, 16) for x in line.split()[0].split("-")), line.split()[1]
            # What takes more than a gigabyte is a sanitizer's shadow of all that could be.
            if not rights.startswith("rw") or end - begin > 1 << 30 or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            for at in range(begin, end, 1 << 24):
                memory.seek(at)
                try:
                    if word in memory.read(min(end - at, 1 << 24)):
                        return True
                except OSError:
                    pass
    return False


@pytest.mark.parametrize("way", ["argument", "file", "feed"])
def test_a_join_string_is_in_no_ordinary_memory(hub, run, tmp_path, way):
    need_root()
    join = hub.invite("leaf")
    if way == "argument":
        node = run("serve", f"--source={join}", "--outlet", f"http://127.0.0.1:{free_port()}", name="leaf").ready()
    elif way == "file":
        config = tmp_path / "leaf.toml"
        config.write_text(f"[[source]]\nname = '{join}'\n[[outlet]]\nname = 'http://127.0.0.1:{free_port()}'\n")
        config.chmod(0o600)
        node = run("serve", "--config", str(config), name="leaf").ready()
        node.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "configuration reloaded" in node.log())
        assert node.status()["sources"][0]["state"] == "healthy", "the same source, not another"
    else:
        (tmp_path / "join").write_text(join)
        (tmp_path / "join").chmod(0o600)
        node = run("feed", f"@{tmp_path}/join", "--outlet", f"file:{tmp_path}/seed", name="leaf").up()
        assert eventually(lambda: (tmp_path / "seed").exists())
    # Its last letters, with the key's end and the checksum.
    assert not memory_holds(node.process.pid, join[-24:].encode())
