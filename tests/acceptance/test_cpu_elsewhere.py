"""The instructions of processors that this machine has not, emulated; and processors that lack them."""

import pathlib
import subprocess

import pytest
from conftest import QANAT, SANITIZED, need

HERE = pathlib.Path(__file__).parent
COMPILERS = {"x86_64": "g++", "aarch64": "aarch64-linux-gnu-g++", "ppc64le": "powerpc64le-linux-gnu-g++"}


@pytest.fixture(scope="module")
def on(tmp_path_factory):
    """Runs instructions.cpp on an emulated processor: its architecture, and for each instruction its words, or None."""
    made = {}

    def program(machine):
        if machine not in made:
            need(f"qemu-{machine}")
            need(COMPILERS[machine])
            binary = tmp_path_factory.mktemp(machine) / "instructions"
            subprocess.run([COMPILERS[machine], "-std=c++20", "-O1", "-static", f"-I{HERE}/../../src", "-o", binary,
                            HERE / "instructions.cpp", HERE / "../../src/sources/cpu/cpu_instructions.cpp"], check=True)
            made[machine] = binary
        return made[machine]

    def run(machine, cpu, *more):
        done = subprocess.run([f"qemu-{machine}", "-cpu", cpu, *more, program(machine)], capture_output=True, text=True)
        assert done.returncode == 0, done
        architecture, *lines = done.stdout.splitlines()
        said = {}
        for line in lines:
            name, has, *words = line.split()
            assert has == ("has" if words else "lacks"), line
            said[name] = words or None
        return architecture, said

    return run


def assert_noise(words):
    assert len(words) == 64 and len(set(words)) == 64 and not {"0" * 16, "f" * 16} & set(words), words
    ones = sum(bin(int(word, 16)).count("1") for word in words)
    assert 1700 < ones < 2400, ones  # 2,048 and more than ten deviations of 32


@pytest.mark.parametrize("machine, cpu, without, name, architecture", [
    ("aarch64", "max", "cortex-a72", "RNDRRS", "arm64"),
    ("ppc64le", "power10", "power8", "darn", "ppc64le"),
    ("ppc64le", "power9", "power8", "darn", "ppc64le"),
    # QEMU 7.2 emulates no RDSEED at all.
    ("x86_64", "max", "max,rdrand=off", "RDRAND", "x86-64"),
])
def test_an_instruction_is_found_and_gives_noise_and_is_missed_without_a_signal(on, machine, cpu, without, name, architecture):
    said_architecture, said = on(machine, cpu)
    assert said_architecture == architecture
    assert_noise(said.pop(name))
    assert set(said.values()) == {None}, said
    assert set(on(machine, without)[1].values()) == {None}


def test_an_emulator_can_make_it_repeat_which_is_why_nothing_of_a_guest_is_more_than_its_hosts_word(on):
    first, second, other = (on("aarch64", "max", "-seed", seed)[1]["RNDRRS"] for seed in ("42", "42", "43"))
    assert first == second != other


def test_the_program_itself_says_which_flag_a_processor_lacks():
    need("qemu-x86_64")
    if SANITIZED:
        pytest.skip("the sanitizer's memory map does not fit into the emulator's")
    said = subprocess.run(["qemu-x86_64", "-cpu", "max,rdrand=off", QANAT, "sources", "--json", "rdseed", "rdrand", "rndr", "darn"],
                          capture_output=True, text=True).stdout
    assert "this processor has no RDSEED (CPUID 7: EBX bit 18)" in said, said
    assert "this processor has no RDRAND (CPUID 1: ECX bit 30)" in said, said
    assert "RNDRRS is an instruction of arm64; this is a program for x86-64" in said, said
