"""The pages: each link leads somewhere, each command line is one that the program takes, and each page is in the reading order."""

import functools
import pathlib
import re
import subprocess

import pytest
from conftest import QANAT

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("web/*.md"), *ROOT.glob("packaging/**/*.md")])
IDS = [str(p.relative_to(ROOT)) for p in PAGES]
CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


@functools.cache
def anchors(page):
    """As GitHub makes them of headings."""
    found = {}
    for heading in re.findall(r"^#+ +(.*)$", CODE.sub("", page.read_text()), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found[name + (f"-{found[name]}" if name in found else "")] = found.get(name, 0) + 1
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page):
    text = CODE.sub("", re.sub(r"(?m)^    .*$", "", page.read_text()))
    wrong = []
    for target in re.findall(r"(?<!`)\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"", text):
        target = target[0] or target[1]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists():
            wrong.append(target)
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            wrong.append(f"{target}: no such heading")
    # What is named as a page in words.
    for name in re.findall(r"\bdocs/[\w/-]+\.md\b", page.read_text()):
        if not (ROOT / name).exists():
            wrong.append(name)
    assert not wrong, wrong


def test_every_page_is_in_the_reading_order():
    order = (ROOT / "docs/README.md").read_text()
    missing = [p.name for p in ROOT.glob("docs/*.md") if p.name != "README.md" and f"({p.name})" not in order]
    assert not missing, missing
    for name in ("docs/README.md", "docs/getting-started.md", "docs/operate.md", "docs/troubleshooting.md"):
        assert f"({name})" in (ROOT / "README.md").read_text(), name


# Where a command stands: at the beginning, behind a prompt, a pipe, or who runs it.
PLACE = re.compile(r"(?:^|[|;&(]\s*|sudo (?:-u \S+ )?|runuser -u \S+ -- |^[\w@.-]*[$#]\s+|^ExecStart\w*=\S*/)qanat(?=\s)(.*)")


@functools.cache
def help_of(*words):
    done = subprocess.run([QANAT, *words, "--help"], capture_output=True, text=True, timeout=20)
    return done.stdout if done.returncode == 0 else None


def command_lines(text):
    """In indented and fenced blocks, and in words. Without what a shell makes of them."""
    blocks = re.findall(r"(?m)^ {4,}(.*(?:\\\n.*)*)$", text)
    for block in CODE.findall(text):
        blocks += block.splitlines()
    blocks += [fence for part in re.findall(r"(?ms)^```\w*\n(.*?)^```", text) for fence in part.splitlines()]
    blocks += [" ".join(span.split()) for span in re.findall(r"`(qanat [^`]+)`", CODE.sub("", text))]
    for line in blocks:
        found = PLACE.search(line.replace("\\\n", " ").strip())
        if found:
            yield re.split(r"\s#\s|\s[|;&>]|\)", re.sub(r"'[^']*'|\"[^\"]*\"", "X", found[1]))[0].strip()


def problem_with(line):
    words = [word.strip("[],.:") for word in line.split()]
    command = words[0] if words else ""
    if not re.fullmatch(r"[a-z][a-z-]*", command):
        known = help_of()
    else:
        known = help_of(command)
        if known is None:
            return f"no command '{command}'"
        if len(words) > 1 and re.fullmatch(r"[a-z][a-z-]*", words[1]):
            known += help_of(command, words[1]) or ""
        known += help_of()
    for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", " ".join(words)):
        if not re.search(rf"(?<![\w-]){option}(?![\w-])", known):
            return f"no option {option}"
    return None


def test_bad_command_lines_are_found():
    text = "    hub$ qanat serve --nonsense 1 | head\n\nSay `qanat nonsense NAME`, or `qanat feed\nX --once`.\n\n```\n$ qanat status --jsonn\n```\n"
    assert [problem_with(line) for line in command_lines(text)] == [
        "no option --nonsense", "no option --jsonn", "no command 'nonsense'", None]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_line_is_one(page):
    wrong = [f"qanat {line}: {problem}" for line in command_lines(page.read_text()) if (problem := problem_with(line))]
    assert not wrong, "\n".join(wrong)
