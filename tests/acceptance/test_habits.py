"""What a person's fingers expect of a program: help, manual pages, completions, hints, and no colours where none are wanted."""

import os
import pathlib
import pty
import re
import shlex
import subprocess

import pexpect
import pytest
from conftest import QANAT, need, qanat

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/man").glob("*.[15]"))


def below(*words):
    """Every command, by the words that lead to it."""
    found = [words]
    listed = qanat(*words, "--help").stdout.partition("\nCOMMANDS:\n")[2].split("\n\n")[0]
    for name in re.findall(r"^  (\S+)", listed, re.MULTILINE):
        found += below(*words, name)
    return found


@pytest.fixture(scope="module")
def commands():
    found = below()
    assert len(found) > 20, found
    return found


def options_of(words):
    listed = qanat(*words, "--help").stdout.partition("\nOPTIONS:\n")[2].split("\n\n")[0]
    return set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", listed, re.MULTILINE)) | set(re.findall(r"^  (-\w)\b", listed, re.MULTILINE))


def test_help_is_narrow_and_has_examples_that_can_be_typed(commands):
    every = set(commands)
    for words in commands:
        text = qanat(*words, "--help").stdout
        assert text == qanat("help", *words).stdout
        assert max(map(len, text.splitlines())) <= 80, (words, max(text.splitlines(), key=len))
        assert f"Usage: {' '.join(('qanat', *words))}" in text
        examples = re.findall(r"^  ([^#\s].*)$", text.partition("\nEXAMPLES:\n")[2], re.MULTILINE)
        assert examples, words
        for line in examples:
            typed = shlex.split(line.replace("source <(", "").replace(")", "").partition(">")[0])
            assert typed[0] == "qanat", line
            deepest = max((c for c in every if tuple(typed[1:1 + len(c)]) == c), key=len)
            assert deepest, line
            for word in typed:
                if word.startswith("--"):
                    assert word in options_of(deepest), (line, word)


def test_help_and_version_by_every_name():
    assert qanat("help").stdout == qanat("--help").stdout == qanat("-h").stdout
    assert qanat("help", "bench", "trickle").stdout == qanat("bench", "trickle", "--help").stdout
    texts = {qanat(*words).stdout for words in (("version",), ("--version",), ("-V",))}
    assert len(texts) == 1
    first, features, libraries = texts.pop().splitlines()
    assert re.fullmatch(r"qanat \d+\.\d+\.\d+", first)
    assert {word[1:] for word in features.split()[1:]} >= {"systemd", "avahi", "tpm", "pkcs11", "alsa", "ffmpeg", "qrencode", "dashboard"}
    assert all(word[0] in "+-" for word in features.split()[1:])
    assert re.fullmatch(r"Libraries: OpenSSL 3\.\S+, libsodium 1\.\S+", libraries)


@pytest.mark.parametrize("typed,meant", [
    ("sever", "serve"), ("staus", "status"), ("help sever", "serve"), ("bench trikle", "trickle"), ("entropykey setkey", "set-key"),
    ("serve --outlets x", "--outlet"), ("status --jsn", "--json"), ("--verison", "--version"), ("completion fishh", "fish"),
    ("sources hwrgn", "hwrng"), ("sources jiter?h=1", "jitter"), ("sources jitter?credi=no", "credit"), ("serve --source htps://h", "https"),
    ("serve --outlet kernal", "kernel"), ("serve --outlet kernel?byte=64", "bytes"), ("feed http://127.0.0.1 --outlet fifi:/x", "fifo"),
    ("seed --for-guest fwcfg", "fw_cfg"), ("sources device:/x?model=onrng", "onerng"),
])
def test_who_mistypes_is_told_what_was_meant(typed, meant, tmp_path):
    state = ("--state", str(tmp_path / "s")) if typed.startswith("serve") else ()
    done = qanat(*typed.split(), *state, check=False)
    assert done.returncode == 2 and f"; did you mean '{meant}'?\n" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 2


@pytest.mark.parametrize("typed,words", [
    ("--json status", "--json belongs behind the command: qanat status --json"),
    ("--state /x status", "--state belongs behind the command: qanat status --state DIR"),
    ("alarm --config F test", "--config belongs behind the command: qanat alarm test --config FILE"),
    ("stop", "there is no command 'stop'; with systemd: systemctl stop qanat"),
    ("status -j", "there is no option '-j' here"), ("invite a --name x", "there is no option '--name' here"),
    ("completion ksh", "known are bash, zsh and fish"),
    ("serve --threads two", "--threads two: write a number from 1 to 256"), ("serve --log xml", "--log xml: text or json"),
    ("invite a --weight -1", "--weight -1: write a number from 0.001 to 1000"),
    ("get", "BYTES is missing"), ("invite", "NAME is missing"), ("completion", "SHELL is missing"), ("seed", "--for-guest is missing"),
])
def test_who_errs_is_told_in_plain_words(typed, words):
    done = qanat(*typed.split(), check=False)
    assert done.returncode == 2 and done.stderr.startswith("qanat: ") and done.stderr.partition("\n")[0].endswith(words), done.stderr


def test_help_of_help_is_itself():
    assert qanat("help", "staus", check=False).stderr.endswith("\nTry 'qanat help'.\n")


def test_a_mistyped_key_is_told_too(tmp_path):
    for text, meant in (("[nod]\n", "node"), ("[node]\nthreds = 1\n", "threads"), ("[[source]]\nname='jitter'\ncredt='no'\n", "credit"),
                        ("[[alarm]]\ncommand='true'\non='source-faild'\n", "")):
        (tmp_path / "q.toml").write_text(text)
        done = qanat("check", "--config", str(tmp_path / "q.toml"), check=False)
        assert done.returncode == 1 and f"did you mean '{meant}" in done.stderr, done.stderr


def test_a_model_is_no_source():
    done = qanat("sources", "onerng", check=False)
    assert done.returncode == 2 and "onerng is a model: write device:PATH?model=onerng\n" in done.stderr


def test_rngrecv_without_a_word_shows_its_usage(tmp_path):
    for name in ("rngrecv", "rngsend"):
        (tmp_path / name).symlink_to(QANAT)
        done = subprocess.run([tmp_path / name], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and f"Usage: {name}" in done.stderr and "EXAMPLES:" in done.stderr
        text = subprocess.run([tmp_path / name, "--help"], capture_output=True, text=True, timeout=20).stdout
        assert text == done.stderr and max(map(len, text.splitlines())) <= 80


# Manual pages.


def test_each_command_has_a_page_with_all_its_options(commands):
    names = {page.name for page in PAGES}
    for words in commands:
        assert "-".join(("qanat", *words[:1])) + ".1" in names, words
        text = (ROOT / "docs/man" / ("-".join(("qanat", *words[:1])) + ".1")).read_text().replace("\\-", "-")
        for option in options_of(words):
            assert f"\\fB{option}\\fR" in text, (words, option)
    for page in PAGES:
        text = page.read_text()
        wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", '"SEE ALSO"'] + (["OPTIONS", '"EXIT STATUS"'] if page.suffix == ".1" else ["FILES"])
        assert [w for w in wanted if f"\n.SH {w}\n" not in text] == [], page.name
    program = (ROOT / "docs/man/qanat.1").read_text()
    assert all(f"\n.SH {w}\n" in program for w in ("COMMANDS", "ENVIRONMENT", "FILES", "SIGNALS", '"SOURCES AND OUTLETS"'))


def test_pages_are_sound_and_name_what_is_installed(tmp_path):
    need("man")
    need("mandoc")
    for page in PAGES:
        done = subprocess.run(["man", "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], capture_output=True, text=True,
                              env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}, timeout=60)
        assert done.returncode == 0 and done.stderr == "", done.stderr
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *PAGES], capture_output=True, text=True, timeout=60)
    assert lint.stdout == "" and lint.returncode == 0, lint.stdout
    pages = {page.name for page in PAGES}
    for page in PAGES:
        text = page.read_text().replace("\\-", "-")
        for name in re.findall(r"docs/[\w/.-]+\.md", text):
            assert (ROOT / name).is_file(), (page.name, name)
        for name, section in re.findall(r"\.BR (qanat[\w.-]*|rng\w+) \((\d)\)", text):
            assert f"{name}.{section}" in pages, (page.name, name)


def test_no_line_of_a_synopsis_is_torn():
    need("man")
    text = subprocess.run(["man", "-l", "-Tascii", ROOT / "docs/man/qanat-serve.1"], capture_output=True, text=True,
                          env={**os.environ, "MANWIDTH": "80", "MAN_KEEP_FORMATTING": "0"}, timeout=60).stdout
    text = re.sub(r".\x08|\x1b\[[\d;]*m", "", text)
    synopsis = text.partition("SYNOPSIS\n")[2].partition("DESCRIPTION")[0]
    for line in synopsis.splitlines():
        assert len(line) <= 80 and line.count("[") == line.count("]"), line


def known_after(tmp_path, text, words):
    """What the reader of the configuration says that it knows, where it is given what it does not."""
    (tmp_path / "q.toml").write_text(text)
    done = qanat("check", "--config", str(tmp_path / "q.toml"), check=False)
    assert words in done.stderr, done.stderr
    return done.stderr.partition(words)[2].split()


def test_the_page_of_the_configuration_has_the_keys_that_it_takes(tmp_path):
    text = (ROOT / "docs/man/qanat.toml.5").read_text().replace("\\-", "-")
    sections = {found[0]: set(re.findall(r"^\.TP\n\.B ([\w-]+)$", found[1], re.MULTILINE))
                for found in re.findall(r'^\.SH "\[+(\w+)\]+"\n(.*?)(?=^\.SH)', text, re.MULTILINE | re.DOTALL)}
    assert sections.keys() == set(known_after(tmp_path, "qqqqqqqqqqqq = 1\n", "; known:"))
    for name, keys in sections.items():
        if name in ("source", "outlet"):
            continue
        table = f"[[{name}]]" if name in ("client", "alarm") else f"[{name}]"
        assert keys == set(known_after(tmp_path, f"{table}\nqqqqqqqqqqqq = 1\n", "; known:")), name


def test_the_page_has_every_type(tmp_path):
    text = (ROOT / "docs/man/qanat.1").read_text().replace("\\-", "-").partition('.SH "SOURCES AND OUTLETS"')[2].partition('.SH "OTHER')[0]
    sources, outlets = text.split("\nOutlets:\n")
    for kind, part in (("source", sources), ("outlet", outlets)):
        known = qanat("check", "--config", str(config(tmp_path, kind, "qqqqqqqqqq:x")), check=False).stderr.partition("known are ")[2].strip().removesuffix(" and join strings").split(", ")
        assert len(known) > 10
        for name in known:
            assert re.search(rf"^\.BR {name}\b", part, re.MULTILINE), (kind, name)


def config(directory, kind, name):
    path = directory / "q.toml"
    path.write_text(f"[[{kind}]]\nname = '{name}'\n")
    return path


# Completions, by the shells themselves.


SHELLS = {"bash": ["--norc", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}
SETUP = {
    # The program itself need not be there; a function shows what the line has become.
    "bash": "qanat() { printf 'TYPED<'; printf '%s|' \"$@\"; echo '>'; }\n",
    "zsh": "autoload -U compinit; compinit -u -D\nunsetopt beep\nqanat() { printf 'TYPED<'; printf '%s|' \"$@\"; echo '>'; }\n",
    "fish": "function qanat; printf 'TYPED<'; printf '%s|' $argv; echo '>'; end\nset -g fish_autosuggestion_enabled 0\n",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_what_can_be_typed(shell, tmp_path):
    need(shell)
    (tmp_path / "config.toml").touch()
    (tmp_path / "state").mkdir()
    (tmp_path / "setup").write_text(SETUP[shell] + qanat("completion", shell).stdout)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm", "LC_ALL": "C.UTF-8", "PS1": "> "}
    terminal = pexpect.spawn(shell, SHELLS[shell], env=environment, cwd=str(tmp_path), encoding="utf-8", timeout=20, dimensions=(50, 300))
    terminal.send(". ./setup\r")
    terminal.send("qanat is there\r")
    terminal.expect("TYPED<is")
    for typed, line in (
        ("ser", "serve"), ("--verb", "--verbose"), ("--verbose stat", "--verbose status"), ("bench tri", "bench trickle"),
        ("help entr", "help entropykey"), ("serve --quo", "serve --quorum"), ("bench trickle --cl", "bench trickle --clients"),
        ("get 32 --grade f", "get 32 --grade full"), ("get 32 --grade=dr", "get 32 --grade=drbg"), ("serve --log j", "serve --log json"),
        ("completion z", "completion zsh"), ("seed --for-guest dev", "seed --for-guest device-tree"),
        ("serve --source jit", "serve --source jitter"), ("serve --outlet ker", "serve --outlet kernel"), ("sources jit", "sources jitter"),
        ("serve --source dev", "serve --source device:"), ("serve --config con", "serve --config config.toml"),
        ("serve --state sta", "serve --state state"), ("serve --source file:con", "serve --source file:config.toml"),
        ("help bench tri", "help bench trickle"),
        ("feed @con", "feed @config.toml"), ("feed @config", "feed @config.toml"), ("get 1 --from @con", "get 1 --from @config.toml"),
    ):
        terminal.send(f"qanat {typed}\t\r")
        terminal.expect(r"TYPED<([^>\r]*)>")
        # zsh takes the slash behind a directory away again.
        assert terminal.match[1].rstrip("|/").split("|") == line.split(), (typed, terminal.match[1])
    terminal.close(force=True)


def test_a_completion_knows_each_command_and_option(commands):
    scripts = {shell: qanat("completion", shell).stdout for shell in SHELLS}
    for words in commands:
        for option in options_of(words):
            assert option in scripts["bash"] and option in scripts["zsh"], (words, option)
            fish = f" -l {option[2:]}" if option.startswith("--") else f" -s {option[1:]}"
            assert fish in scripts["fish"], (words, option)
        assert all(words[-1] in script for script in scripts.values() if words)
    assert qanat("completion", "tcsh", check=False).returncode == 2


def test_bash_offers_a_join_file_with_its_sign(tmp_path):
    need("bash")
    (tmp_path / "join").touch()
    (tmp_path / "script").write_text(qanat("completion", "bash").stdout)
    typed = "COMP_WORDS=(qanat feed %s); COMP_CWORD=2; _qanat; echo ${COMPREPLY[@]}"
    for word, offered in (("jo", "@join"), ("''", "@join @script"), ("none", "")):
        done = subprocess.run(["bash", "-c", ". ./script; " + typed % word], cwd=tmp_path, capture_output=True, text=True, timeout=20)
        assert sorted(done.stdout.split()) == offered.split(), (word, done)


# Colours.


def all_of(terminal):
    """What comes out of it until whoever has its other end is gone; it is closed then."""
    text = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(terminal)
    return text


def seen_on_terminal(tmp_path, environment, *words):
    """What a person sees: standard error on a terminal."""
    main, other = pty.openpty()
    process = subprocess.Popen([QANAT, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=other,
                               env={**os.environ, "STATE_DIRECTORY": str(tmp_path / "state"), **environment})
    os.close(other)
    process.stdout.read()
    text = all_of(main)
    process.wait(20)
    return text


def test_nothing_is_coloured_where_that_is_not_wanted(tmp_path):
    # It ends by itself, and has logged something.
    words = ("feed", "http://127.0.0.1:1", "--once", "--wait", "1ms", "--outlet", "stdout")
    assert b"\x1b[" in seen_on_terminal(tmp_path, {"TERM": "xterm", "NO_COLOR": ""}, *words)
    for environment in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb", "NO_COLOR": ""}):
        text = seen_on_terminal(tmp_path, environment, *words)
        assert b"qanat" in text and b"\x1b" not in text, (environment, text)


# Terminals.


def on_terminal(*words):
    """What a person sees: standard output on a terminal."""
    main, other = pty.openpty()
    process = subprocess.Popen([QANAT, *words], stdin=subprocess.DEVNULL, stdout=other, stderr=subprocess.PIPE)
    os.close(other)
    text = all_of(main)
    assert process.wait(20) == 0, process.stderr.read()
    return text


def test_a_terminal_gets_no_raw_bytes_unless_it_is_told(hub):
    words = ("get", "32", "--state", str(hub.state))
    assert re.fullmatch(rb"[0-9a-f]{64}\r\n", on_terminal(*words))
    assert len(subprocess.run([QANAT, *words], capture_output=True, timeout=20).stdout) == 32
    assert re.fullmatch(rb"[A-Za-z0-9+/]{43}=\r\n", on_terminal(*words, "--format", "base64"))
    # Line ends among them become two bytes.
    assert len(on_terminal(*words, "--format", "raw")) >= 32


def test_tables_are_no_wider_than_a_terminal(hub):
    hub.invite("a-client-with-a-name-of-64-letters-so-that-a-line-of-it-is-long.")
    for words in (("sources", "--all"), ("events", "--state", str(hub.state))):
        lines = qanat(*words).stdout.splitlines()
        assert len(lines) > 2 and max(map(len, lines)) <= 80, max(lines, key=len)
