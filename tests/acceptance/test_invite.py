"""Join strings as people hand them about: files, wrapped lines, quotes, cameras. docs/join-strings.md."""

import json
import os
import re
import subprocess
import urllib.error

import pytest
from conftest import QANAT, fetch, free_port, need, qanat


def draw(join, *more, stdin=None):
    return qanat("get", "8", "--format", "hex", "--from", join, *more, check=False, stdin=stdin)


def refused(join):
    done = draw(join)
    assert done.returncode == 1 and done.stdout == "", done
    return done.stderr


def test_however_it_was_copied(hub, tmp_path):
    join = hub.invite("router")
    wrapped = f"{join[:70]}\r\n{join[70:140]}\n  {join[140:]}\n"
    forms = [join + "\n", join + "\r\n", f"  {join}  \n", f'"{join}"\n', f"'{join}'", f"“{join}”\n", wrapped, f'"{wrapped}"', f"{join}\n# the hub in the cellar\n",
             f"> {join}\n", f">> {join[:70]}\n>> {join[70:]}\n"]
    path = tmp_path / "join"
    for form in forms + ["\ufeff" + join]:
        path.write_text(form)
        path.chmod(0o600)
        for done in (draw(f"@{path}"), draw("-", stdin=form)):
            assert done.returncode == 0 and len(done.stdout.strip()) == 16, (form.replace(join, "JOIN"), done.stderr)
    for form in (join, f'"{join}"', f" {join}\n", wrapped.strip(), f"'{join}'"):
        assert draw(form).returncode == 0, form.replace(join, "JOIN")
    config = tmp_path / "q.toml"
    for value in (f'" {join} "', f"'\"{join}\"'", f'"""\n{wrapped}"""'):
        config.write_text(f'[[source]]\nname = {value}\n[[outlet]]\nname = "stdout"\n')
        config.chmod(0o600)
        assert "as router" in qanat("check", "--config", str(config)).stdout, value.replace(join, "JOIN")


def test_quotes_that_are_not_clear_are_named(hub, tmp_path):
    join = hub.invite("router")
    path = tmp_path / "join"
    for form in (f'"{join}', f'{join}"', f"{join}'", f"“{join}", f'{join[:80]}"{join[80:]}'):
        path.write_text(form)
        path.chmod(0o600)
        for done in (draw(form), draw(f"@{path}"), draw("-", stdin=form)):
            assert done.returncode in (1, 2) and "remove the quotes" in done.stderr, (form.replace(join, "JOIN"), done.stderr)
            assert "qanat1-" not in done.stderr and join[20:60] not in done.stderr
    # What is lost cannot be guessed.
    assert "copy all of it again" in refused(join[:-4]) and "copy all of it again" in refused(join[:50] + join[60:])


def test_of_two_none_is_taken(hub, tmp_path):
    one, two = hub.invite("one"), hub.invite("two")
    words = "two join strings; put each into a file of its own"
    path, config = tmp_path / "join", tmp_path / "q.toml"
    for form in (f"{one}\n{two}\n", f"{one} {two}", f"{one[:70]}\n{one[70:]}\n# and\n{two}", f"{one}\n{one}\n"):
        path.write_text(form)
        path.chmod(0o600)
        for done in (draw(f"@{path}"), draw("-", stdin=form)):
            assert done.returncode == 1 and words in done.stderr and one[20:60] not in done.stderr, done.stderr
    assert words in refused(f"{one} {two}")
    config.write_text(f'[[source]]\nname = "{one} {two}"\n[[outlet]]\nname = "stdout"\n')
    config.chmod(0o600)
    said = qanat("check", "--config", str(config), check=False)
    assert said.returncode == 1 and f":2:8: source: {words}" in said.stderr, said.stderr


def test_a_file_is_named_with_its_sign_and_is_not_empty(hub, tmp_path):
    path = tmp_path / "join"
    path.touch(0o600)
    assert f"{path} is empty" in refused(f"@{path}")
    done = draw("-", stdin="\n")
    assert done.returncode == 1 and "standard input is empty" in done.stderr
    path.write_text(hub.invite("router"))
    done = draw(str(path))
    assert done.returncode == 2 and f"; did you mean '@{path}'?\n" in done.stderr, done.stderr
    done = draw(str(tmp_path / "absent"))
    assert done.returncode == 2 and "@FILE" in done.stderr and "did you mean" not in done.stderr, done.stderr


def test_observers_are_no_clients_while_the_node_is_away(hub):
    state = ("--state", str(hub.state))
    hub.invite("router")
    hub.invite("prometheus", "--observer")
    names = lambda: [client["name"] for client in json.loads(qanat("clients", "--json", *state).stdout)]
    assert names() == ["router"]
    hub.stop()
    assert names() == ["router"]
    assert "\nObservers, who see all and draw nothing\n  prometheus " in qanat("clients", *state).stdout


def test_into_a_file(hub, tmp_path):
    path = tmp_path / "join"
    done = qanat("invite", "router", "--output", str(path), "--state", str(hub.state))
    assert done.stdout == "" and path.stat().st_mode & 0o7777 == 0o600
    assert draw(f"@{path}").returncode == 0
    before = path.read_text()
    # Never over anything, and then nothing is made.
    for there in (path, tmp_path / "link"):
        if not there.exists():
            there.symlink_to("nowhere")
        done = qanat("invite", "other", "--output", str(there), "--state", str(hub.state), check=False)
        assert done.returncode == 1 and "is not overwritten" in done.stderr, done
    missing = qanat("invite", "other", "--output", str(tmp_path / "no/join"), "--state", str(hub.state), check=False)
    assert missing.returncode == 1 and "No such file" in missing.stderr
    assert path.read_text() == before and "other" not in qanat("clients", "--state", str(hub.state)).stdout
    assert sorted(os.listdir(tmp_path)) == ["hub", "hub.log", "join", "link"], "no temporary files"


def test_invited_again_and_revoked(hub):
    first = hub.invite("router")
    again = qanat("invite", "router", "--state", str(hub.state), check=False)
    assert again.returncode == 1 and "already" in again.stderr and "--replace" in again.stderr
    second = hub.invite("router", "--replace")
    words = "the hub no longer accepts 'router' (revoked, or invited again); ask for a new join string"
    assert words in refused(first) and draw(second).returncode == 0
    qanat("revoke", "router", "--state", str(hub.state))
    said = refused(second)
    assert words in said and "who are you" not in said and said.count("https://") == 1, said


def test_replaced_while_no_node_runs(hub):
    first = hub.invite("router")
    hub.stop()
    second = hub.invite("router", "--replace")
    assert second.startswith("qanat1.") and second != first


def test_the_address_in_it(run, tmp_path):
    """Of loopback, or a guess: that is said; a host without a port takes the outlet's."""
    port = free_port()
    node = run("serve", "--source", "jitter", "--outlet", f"https://127.0.0.1:{port}?access=join").up()
    invite = lambda name, *more: qanat("invite", name, "--state", str(node.state), *more)
    assert "reached from this machine alone" in invite("a").stderr
    assert invite("b", "--address", f"127.0.0.1:{port}").stderr == "", "he said so"
    target = lambda join: qanat("check", "--elsewhere", "--source", join, "--outlet", "stdout").stdout
    assert f"https://hub.example:{port} as c" in target(invite("c", "--address", "hub.example").stdout.strip())
    assert f"https://[2001:db8::1]:{port} as d" in target(invite("d", "--address", "[2001:db8::1]").stdout.strip())
    node.stop()
    assert f"https://hub.example:{port} as e" in target(invite("e", "--address", "hub.example").stdout.strip())
    anywhere = run("serve", "--source", "jitter", "--outlet", f"https://0.0.0.0:{free_port()}", name="any").up()
    said = qanat("invite", "a", "--state", str(anywhere.state)).stderr
    assert "one of this machine's addresses" in said or "this machine alone" in said, said


def test_as_a_qr_code(hub):
    done = qanat("invite", "router", "--qr", "--state", str(hub.state), check=False)
    if "built without libqrencode" in done.stderr:
        assert done.returncode == 1 and "router" not in qanat("clients", "--state", str(hub.state)).stdout
        pytest.skip("built without libqrencode")
    assert done.returncode == 0, done.stderr
    join, *lines = done.stdout.splitlines()
    assert draw(join).returncode == 0 and max(map(len, lines)) <= 80
    # A row of characters is two of modules: what another program makes of the same text.
    need("qrencode")
    ours = [[c in pair for c in line] for line in lines for pair in ("▀█", "▄█")]
    ours = [row for row in ours if any(row)]
    theirs = subprocess.run(["qrencode", "-8", "-l", "L", "-m", "0", "-t", "ASCII", join], capture_output=True, text=True).stdout.splitlines()
    theirs = [[c == "#" for c in row[::2]] for row in theirs]
    left = min(row.index(True) for row in ours)
    assert [row[left:left + len(theirs)] for row in ours] == theirs


def test_a_url_without_a_pin(hub):
    """Names the ways to trust the hub; its status shows the pin."""
    url = next(o["name"] for o in hub.status()["outlets"] if o["name"].startswith("https://")).split("?")[0]
    said = refused(url)
    assert "self-signed" in said and "join string" in said and "?pin=" in said and said.count("https://") == 1, said
    text = qanat("status", "--state", str(hub.state)).stdout
    pin = re.search(r"^Pin +([0-9a-f]{64})$", text, re.M)[1]
    assert pin == hub.status()["node"]["pin"] and max(map(len, text.splitlines())) <= 80
    assert "401" in refused(f"{url}?pin={pin}"), "it is the hub, and wants a join string"


def test_the_wrong_one_of_two_ports(hub):
    secure = next(o["name"] for o in hub.status()["outlets"] if o["name"].startswith("https://")).split("?")[0]
    plain = f"http://127.0.0.1:{hub.port}"
    said = refused(secure.replace("https://", "http://"))
    assert "400" in said and "write https:// in place of http://" in said
    assert "write http:// in place of https://" in refused(plain.replace("http://", "https://"))
    code, body, _ = fetch(int(secure.rsplit(":", 1)[1]), "/v1/status")
    assert code == 400 and b"a port that speaks HTTPS" in body
