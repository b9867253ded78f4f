"""`qanat top` on real terminals: those of tmux, whose screen is read back, and bare ones, whose bytes are."""

import fcntl
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import termios

import pytest
from conftest import QANAT, eventually, free_port, need, qanat

SIZES = [(80, 24), (120, 40), (200, 60)]
MARKER = "this was here before"


class Screen:
    """A shell in a terminal of tmux, of its own server."""

    def __init__(self, directory, width=80, height=24, **env):
        need("tmux")
        self.socket = str(directory / "tmux")
        (directory / "tmux.conf").write_text("set -g status off\nset -s escape-time 0\n")
        more = " ".join(f"{key}={shlex.quote(value)}" for key, value in env.items())
        clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TMUX", "TMUX_PANE", "COLUMNS", "LINES")}
        self.tmux("-f", str(directory / "tmux.conf"), "new-session", "-d", "-x", str(width), "-y", str(height),
                  f"env PS1='ready> ' {more} bash --norc --noprofile", env={**clean, "LC_ALL": "C.UTF-8"})
        self.wait("ready>")
        self.type(f"echo {MARKER}", "Enter")
        eventually(lambda: self.text().count(MARKER) == 2)

    def tmux(self, *words, **more):
        return subprocess.run(["tmux", "-S", self.socket, *words], check=True, capture_output=True, text=True, timeout=20, **more).stdout

    def text(self):
        return self.tmux("capture-pane", "-p")

    def lines(self):
        return self.text().rstrip("\n").split("\n")

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def wait(self, *words):
        """The screen, once it shows all of them."""

        def shown():
            text = self.text()
            return text if all(word in text for word in words) else None

        try:
            return eventually(shown, limit=20)
        except AssertionError:
            raise AssertionError(f"{words} do not appear in\n{self.text()}") from None

    def top(self, *arguments):
        self.type(shlex.join([QANAT, "top", *map(str, arguments)]), "Enter")
        return self.wait(" q quit")

    def restored(self):
        """What was there before is there again, and the line echoes."""
        text = self.wait(MARKER, "ready>")
        assert "q quit" not in text, text
        self.type("clear; stty -a", "Enter")
        text = self.wait(" icanon", "ready>")
        assert re.search(r"(?<!-)\becho\b", text), text
        # The cursor is seen.
        assert self.tmux("display-message", "-p", "#{cursor_flag}#{alternate_on}").strip() == "10"


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def start(*arguments, **more):
        opened.append(Screen(tmp_path, *arguments, **more))
        return opened[-1]

    yield start
    for screen in opened:
        subprocess.run(["tmux", "-S", screen.socket, "kill-server"], capture_output=True)


@pytest.mark.parametrize("width, height", SIZES)
def test_a_hub_fills_any_screen(hub, terminal, width, height):
    hub.invite("leaf", "--rate", "1KiB/s")
    screen = terminal(width, height)
    screen.top("--state", hub.state)
    text = screen.wait("\nReserve  [", "\nSupply ", "\nCredited ", "\nSource ", "\nexec:cat", "healthy", "\nOutlet ", "\nhttp://127.0.0.1",
                       "\nClient ", "\nleaf ", "kept")
    lines = screen.lines()
    assert re.match(r"(Good|Warning|Bad): ", lines[0]), text
    assert len(lines) == height and lines[-1].startswith(" q quit"), text
    assert max(map(len, lines)) <= width
    # Where there is room, it is used.
    assert ("Last minute" in text) == (width > 80), text
    # From any size to any other, and to none to speak of.
    for other in [*SIZES, (20, 5), (2, 1), (80, 24)]:
        screen.resize(*other)
        if other[1] >= 24:
            eventually(lambda: len(screen.lines()) == other[1] and screen.lines()[-1].startswith(" q quit") and "lines 1-" in screen.lines()[-1])
            assert max(map(len, screen.lines())) <= other[0]
    screen.wait("\nReserve  [")
    screen.type("q")
    screen.restored()


def test_pictures_of_what_was(hub, terminal):
    screen = terminal()
    screen.top("--state", hub.state, "--every", "100ms")
    # The reserve is full.
    eventually(lambda: re.search(r"Reserve  \[#+\] 256 KiB of 256 KiB .*█", screen.text()))
    screen.type("q")
    screen.restored()


def test_without_utf8_there_is_ascii(hub, terminal):
    screen = terminal(LC_ALL="C")
    screen.top("--state", hub.state, "--every", "100ms")
    eventually(lambda: re.search(r"Reserve  \[#+\] 256 KiB of 256 KiB .*#", screen.text()))
    assert screen.text().isascii()


def names_shown(screen):
    return re.findall(r"^(leaf-\d+) ", screen.text(), re.MULTILINE)


def test_clients_are_sorted_and_scrolled(hub, terminal):
    for number in range(30):
        hub.invite(f"leaf-{number:02}", *(["--rate", f"{number}B/s"] if number % 2 else []))
    screen = terminal()
    screen.top("--state", hub.state)
    screen.wait("sort: rate now", "\nleaf-00 ")
    first = screen.lines()[:3]
    screen.type("g")
    eventually(lambda: names_shown(screen)[:2] == ["leaf-29", "leaf-27"])
    assert "Guarantee*" in screen.text() and "sort: guarantee" in screen.text()
    screen.type("g")
    screen.wait("sort: guarantee reversed")
    assert names_shown(screen)[0] == "leaf-00"
    screen.type("n")
    eventually(lambda: names_shown(screen)[:2] == ["leaf-00", "leaf-01"])
    screen.type("n")
    eventually(lambda: names_shown(screen)[:2] == ["leaf-29", "leaf-28"])
    screen.type(">")
    screen.wait("sort: rate now")
    screen.type("<", "<")
    screen.wait("sort: refused")
    screen.type("n")
    screen.wait("sort: name", "lines 1-")
    screen.type("Down", "Down")
    screen.wait("lines 3-")
    screen.type("Up")
    screen.wait("lines 2-")
    screen.type("NPage")
    eventually(lambda: names_shown(screen)[:1] > ["leaf-05"])
    # Without what moves: numbers, and the graph at the right.
    head = lambda lines: [re.split(r",|  +", line)[0] for line in lines]
    assert head(screen.lines()[:3]) == head(first), "the head stays"
    screen.type("End")
    eventually(lambda: re.search(r"lines \d+-(\d+) of \1$", screen.lines()[-1]))
    screen.type("PPage")

    def further_up():
        screen.type("Up")
        return "\nLedger " in screen.text() and "\nLast events" in screen.text()

    eventually(further_up)
    # Each key counts, though nothing was drawn in between.
    screen.type("?")
    screen.wait("? back")
    screen.type("?", "End")
    eventually(lambda: re.search(r"lines \d+-(\d+) of \1$", screen.lines()[-1]))
    screen.type("End", "Home")
    screen.wait("\nSource ", "lines 1-")


def test_help_and_pause(hub, terminal):
    screen = terminal()
    screen.top("--state", hub.state, "--every", "100ms")
    screen.wait("\nSource ")
    screen.type("?")
    assert "\nSource " not in screen.wait("w waiting", "g guarantee", " q quit  ? back")
    screen.type("h")
    screen.wait("\nSource ")
    screen.type("p")
    still = screen.wait(" PAUSED")
    hub.invite("newcomer")
    # A second copy sees it; the paused one does not.
    eventually(lambda: "newcomer" in qanat("clients", "--state", str(hub.state)).stdout)
    assert screen.text() == still
    screen.type("p")
    screen.wait("\nnewcomer ")


def pid_of(screen):
    """Of what runs in the foreground of the screen's shell."""
    shell = screen.tmux("display-message", "-p", "#{pane_pid}").strip()
    return int(open(f"/proc/{shell}/task/{shell}/children").read().split()[0])


@pytest.mark.parametrize("way", ["C-c", "C-\\", signal.SIGTERM])
def test_however_it_ends_the_screen_is_restored(hub, terminal, way):
    screen = terminal()
    screen.top("--state", hub.state)
    screen.wait("\nReserve ")
    if isinstance(way, str):
        screen.type(way)
    else:
        os.kill(pid_of(screen), way)
    screen.restored()


def test_it_ends_by_itself_after_a_time(hub, terminal):
    screen = terminal()
    screen.top("--state", hub.state, "--for", "2s")
    screen.restored()


def test_a_suspended_one_gives_the_terminal_back_and_takes_it_again(hub, terminal):
    screen = terminal()
    screen.top("--state", hub.state)
    screen.wait("\nReserve ")
    screen.type("C-z")
    assert "q quit" not in screen.wait("Stopped", MARKER)
    screen.type("clear; stty -a", "Enter")
    assert re.search(r"(?<!-)\becho\b", screen.wait(" icanon"))
    screen.resize(100, 30)
    screen.type("fg", "Enter")
    text = screen.wait("\nReserve ", " q quit")
    assert "icanon" not in text and len(screen.lines()) == 30
    screen.type("q")
    eventually(lambda: "q quit" not in screen.text())
    screen.wait("ready>")


def test_a_node_that_goes_away_is_waited_for(run, terminal):
    arguments = ("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}")
    node = run(*arguments).ready()
    screen = terminal()
    screen.top("--state", node.state, "--every", "100ms")
    screen.wait("\nSource ")
    node.stop()
    text = screen.wait("Bad: no answer since ")
    assert re.search(r"no answer since \d\d:\d\d:\d\d: ", text) and "\nexec:cat" in text
    run(*arguments).ready()
    eventually(lambda: "no answer" not in screen.text())
    assert "\nexec:cat" in screen.text()
    screen.type("q")
    screen.restored()


def test_a_node_that_hangs_keeps_nobody_from_leaving(hub, terminal):
    screen = terminal()
    screen.top("--state", hub.state, "--every", "100ms")
    screen.wait("\nSource ")
    hub.process.send_signal(signal.SIGSTOP)
    try:
        screen.wait("does not answer")
        screen.type("?")
        eventually(lambda: "g guarantee" in screen.text(), limit=2)
        screen.type("q")
        eventually(lambda: MARKER in screen.text() and screen.text().rstrip().endswith("ready>"), limit=2)
    finally:
        hub.process.send_signal(signal.SIGCONT)
    screen.restored()


def test_without_a_node_it_says_so_and_fails(tmp_path, terminal):
    screen = terminal()
    screen.top("--state", tmp_path / "none")
    screen.wait("there is no state directory")
    screen.type("q")
    screen.wait(MARKER, "qanat: there is no state directory")


def test_where_no_screen_can_be_drawn_a_node_that_goes_away_is_told_of_once(run):
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
    with subprocess.Popen([QANAT, "top", "--state", str(node.state), "--every", "20ms"], stdout=subprocess.PIPE, text=True) as top:
        assert top.stdout.readline()
        node.stop()
        for line in top.stdout:
            if line.startswith("no node runs"):
                break
        again = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--outlet", f"http://127.0.0.1:{free_port()}").ready()
        between = []
        for line in top.stdout:
            if "All is well" in line or line.startswith("Reserve"):
                break
            between.append(line)
        assert not [line for line in between if line.startswith("no node runs")], between
        # Who reads has seen enough.
        top.stdout.close()
        assert top.wait(20) == 0
    assert again.process.poll() is None
    words = f"{shlex.quote(QANAT)} top --every 20ms --state {shlex.quote(str(again.state))} | head -1"
    done = subprocess.run(["sh", "-c", words], capture_output=True, text=True, timeout=20)
    assert done.stdout.count("\n") == 1 and done.stderr == ""


def test_names_are_shown_and_none_acts(run, terminal, tmp_path):
    path = tmp_path / "a\"b'<i>\u202ec"
    os.mkfifo(path, 0o600)
    node = run("serve", "--source", "exec:cat /dev/urandom?h=8", "--source", f"file:{path}", "--outlet", f"fifo:{tmp_path}/out").ready()
    screen = terminal(200, 40)
    screen.top("--state", node.state)
    text = screen.wait(f"file:{tmp_path}/a\"b'<i>???c ")
    assert "\u202e" not in text
    assert "\u202e" not in qanat("status", "--state", str(node.state)).stdout
    screen.type("q")
    screen.restored()


def test_a_feed_shows_what_a_feed_has(hub, run, terminal, tmp_path):
    feed = run("feed", hub.invite("leaf"), "--outlet", f"file:{tmp_path}/seed", name="feed").ready()
    screen = terminal()
    screen.top("--state", feed.state)
    text = screen.wait("\nUpstream ", "\nhttps://", "\nFeeds ", "\nfile:/", "Last feed", "Next feed")
    for absent in ("Reserve", "Supply", "Ledger", "Client"):
        assert absent not in text
    said = qanat("status", "--state", str(feed.state)).stdout
    assert "\nUpstream " in said and "\nFeeds " in said and "Reserve" not in said and "Supply" not in said
    assert max(map(len, said.splitlines())) <= 80
    # Both, on one machine.
    screen.type("q")
    screen.wait(MARKER)
    screen.resize(100, 60)
    screen.top("--state", hub.state, "--state", feed.state)
    screen.wait("\nfeed: ", "-- hub --", "-- feed --", "\nSource ", "\nUpstream ")
    # On less, what matters of both stays, and the rest begins at its beginning.
    screen.resize(80, 30)
    eventually(lambda: len(screen.lines()) == 30)
    text = screen.wait("hub: ", "\nfeed: ", "-- hub --", "\nReserve ", "\nSource ", "lines 1-")
    assert text.index("feed: ") < text.index("-- hub --")


def bytes_drawn(state, **env):
    """What it writes to a terminal, until it has drawn all and is told to quit."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen([QANAT, "top", "--state", str(state)], stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True, env={**environment, **env})
    os.close(theirs)
    drawn = b""
    while b"Outlet" not in drawn:
        drawn += os.read(ours, 65536)
    os.write(ours, b"q")
    try:
        while piece := os.read(ours, 65536):
            drawn += piece
    except OSError:
        pass  # the other end is closed
    assert process.wait(20) == 0, drawn
    os.close(ours)
    return drawn


COLOUR = re.compile(rb"\x1b\[(?:\d+;)*[34]\d(?:;\d+)*m")


def test_colours_only_where_the_terminal_has_them(hub):
    assert COLOUR.search(bytes_drawn(hub.state, TERM="xterm-256color"))
    assert not COLOUR.search(bytes_drawn(hub.state, TERM="vt100"))
    assert not COLOUR.search(bytes_drawn(hub.state, TERM="xterm-256color", NO_COLOR="1"))
    assert COLOUR.search(bytes_drawn(hub.state, TERM="xterm-256color", NO_COLOR=""))


def test_where_no_screen_can_be_drawn_there_is_plain_text(hub):
    def plain(text):
        return "\x1b" not in text and text.count("\nReserve  ") >= 1 and "q quit" not in text

    assert plain(qanat("top", "--state", str(hub.state), "--for", "1s").stdout)
    # Without one that ever was there it fails at once.
    done = qanat("top", "--state", str(hub.state / "none"), check=False)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.count("\n") == 1
    for term in ("dumb", "never-heard-of"):
        words = shlex.join([QANAT, "top", "--state", str(hub.state), "--for", "1s"])
        done = subprocess.run(["script", "-qec", words, "/dev/null"], capture_output=True, text=True, timeout=20,
                              stdin=subprocess.DEVNULL, env={**os.environ, "TERM": term})
        assert plain(done.stdout), (term, done)
