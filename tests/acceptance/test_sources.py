"""`qanat sources`: every type, raw samples into a file, and the sources that are measured by time."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess

import pytest
from conftest import QANAT, eventually, free_port, qanat

TYPES = {"hwrng", "rdseed", "rdrand", "rndr", "darn", "jitter", "timer", "interrupts", "audio", "video", "tpm", "pkcs11", "entropykey",
         "xenstore", "kernel", "device", "file", "exec", "egd", "rngnet", "netrng", "broker", "vmport", "vsock"}


def test_every_type_is_listed_with_why_it_is_here_or_not():
    types = {t["type"]: t for t in json.loads(qanat("sources", "--all", "--json").stdout)}
    assert set(types) >= TYPES, TYPES - set(types)
    assert all(t["why"] and t["summary"] for t in types.values())
    assert types["jitter"]["available"] and types["timer"]["available"] and types["interrupts"]["available"]
    assert types["hwrng"]["available"] == os.path.exists("/dev/hwrng")
    assert types["interrupts"]["credit"] is False
    table = qanat("sources", "--all").stdout
    assert all(re.search(rf"^{name}\b\S*\s+(yes|no) ", table, re.MULTILINE) for name in types), table
    assert all(len(line) <= 80 for line in table.splitlines() if re.match("    [^ ]", line)), table
    refused = qanat("sources", "--all", "jitter", check=False)
    assert refused.returncode == 2 and "alone" in refused.stderr


@pytest.mark.parametrize("restarts", [0, 20])
def test_raw_samples_go_into_a_file_with_how_they_were_taken(tmp_path, restarts):
    output = tmp_path / "jitter.bin"
    more = ["--restarts", str(restarts)] if restarts else []
    said = qanat("sources", "--capture", "jitter", "--samples", "20k", "--output", str(output), *more).stdout
    assert "20000 samples of jitter" in said and "bits a sample" in said, said
    samples = output.read_bytes()
    assert len(samples) == 20000 and len(set(samples)) > 100
    about = json.loads((tmp_path / "jitter.bin.json").read_text())
    assert about["source"] == "jitter" and about["samples"] == 20000 and about["complete"] is True
    assert about["sha512"] == hashlib.sha512(samples).hexdigest() and about["settings"]["h"] == 1
    assert about["kernel"].startswith("Linux ") and about["machine"]["processor"] and re.match(r"20\d\d-\d\d-\d\dT", about["time"])
    assert about.get("restarts", 0) == restarts and about.get("samples_per_restart", 0) == (20000 // restarts if restarts else 0)
    assert output.stat().st_mode & 0o777 == 0o600
    again = qanat("sources", "--capture", "jitter", "--samples", "1k", "--output", str(output), check=False)
    assert again.returncode == 1 and "there already" in again.stderr and output.read_bytes() == samples


def test_a_restart_begins_anew(tmp_path):
    counted = tmp_path / "count"
    command = f"exec:echo x >>{counted}; seq -s '' 1 1000"
    output = tmp_path / "out"
    qanat("sources", "--capture", command, "--samples", "1k", "--restarts", "10", "--output", str(output))
    assert counted.read_text() == "x\n" * 10
    rows = output.read_bytes()
    assert all(rows[i * 100:][:100] == rows[:100] for i in range(10))


def test_a_capture_that_ends_early_keeps_what_it_has_and_says_so(tmp_path):
    output = tmp_path / "out"
    failed = qanat("sources", "--capture", f"exec:head -c 3000 {QANAT}", "--samples", "1M", "--output", str(output), check=False)
    assert failed.returncode == 1 and "ended" in failed.stderr and "3000 of 1000000 samples are in" in failed.stderr, failed.stderr
    about = json.loads((tmp_path / "out.json").read_text())
    assert about["complete"] is False and about["samples"] == output.stat().st_size == 3000
    output.unlink()
    (tmp_path / "out.json").unlink()
    with subprocess.Popen([QANAT, "sources", "--capture", "timer?every=1ms", "--samples", "1M", "--output", str(output)], stderr=subprocess.PIPE,
                          text=True) as capture:
        eventually(lambda: output.exists() and output.stat().st_size > 0)
        capture.send_signal(signal.SIGINT)
        assert capture.wait() == 1 and "interrupted" in capture.stderr.read()
    assert json.loads((tmp_path / "out.json").read_text())["samples"] == output.stat().st_size > 0
    # Neither of the two is replaced.
    output.unlink()
    again = qanat("sources", "--capture", "jitter", "--samples", "1k", "--output", str(output), check=False)
    assert again.returncode == 1 and "out.json is there already" in again.stderr and not output.exists()
    (tmp_path / "out.json").unlink()
    absent = qanat("sources", "--capture", "device:/dev/no-such", "--samples", "1M", "--output", str(output), check=False)
    assert absent.returncode == 1 and "No such file" in absent.stderr and not list(tmp_path.iterdir()), absent.stderr


def test_what_makes_no_sense_is_a_matter_of_usage(tmp_path):
    output = str(tmp_path / "out")
    for arguments, wanted in ((["--capture", "jitter"], "--output FILE"),
                              (["--capture", "jitter", "--output", output, "--samples", "0"], "number of samples"),
                              (["--capture", "jitter", "--output", output, "--samples", "1k", "--restarts", "7"], "multiple"),
                              (["--capture", "nonsense", "--output", output], "unknown source"),
                              (["--capture", "rngnet://127.0.0.1:5000", "--output", output], "no samples that could be tried"),
                              (["--output", output], "--capture")):
        refused = qanat("sources", *arguments, check=False)
        assert refused.returncode == 2 and wanted in refused.stderr, (arguments, refused.stderr)
    assert not os.path.exists(output)


@pytest.mark.parametrize("name", ["pkcs11:token=t1&pin-value=s3cr3t", "pkcs11:token=t1;pin-value=s3cr3t", "pkcs11:token=t1?h=4;pin-value=s3cr3t",
                                  "pkcs11:token=t1?pin_valu=s3cr3t", "pkcs11:token=t1?pin=s3cr3t", "pkcs11:token=t1?pin-source=s3cr3t/",
                                  "video:rtsp//admin:s3cr3t@cam/x", "video:http:/u:s3cr3t@cam/", "video:ftp://u:s3cr3t@cam/x"])
def test_a_mistyped_secret_is_shown_to_nobody(tmp_path, name):
    config = tmp_path / "qanat.toml"
    config.write_text(f'[[source]]\nname = "{name}"\n')
    config.chmod(0o600)
    for done in (qanat("sources", name, check=False), qanat("check", "--config", str(config), check=False)):
        assert done.returncode != 0 and "s3cr3t" not in done.stdout + done.stderr, done.stdout + done.stderr


def test_a_tpm_is_reached_by_no_command():
    """The library writes as much into our buffer as the command's answer says that it is long."""
    refused = qanat("sources", "tpm:cmd:cat /dev/urandom", check=False)
    assert refused.returncode == 2 and "device:PATH" in refused.stderr, refused


def test_a_recording_that_is_played_again_is_not_credited_again(run, tmp_path):
    """Noise that passes every other test, once in ten thousand samples the same: no histogram shows it."""
    recording = tmp_path / "recording"
    recording.write_bytes(random.Random(16).randbytes(40_000))
    name = f"exec:while true; do cat {recording}; done"
    node = run("serve", "--source", name, "--outlet", f"http://127.0.0.1:{free_port()}").up()
    state = eventually(lambda: (s := node.source(name))["state"] == "failed" and s)
    assert state["test_failures"]["replay"] > 0 and "replay" in state["detail"], state
    assert state["ledger"]["credited"] <= 8 * 50_000
    node.stop()


@pytest.mark.alone
def test_a_timer_gives_at_least_half_of_its_idle_rate_with_every_core_busy(tmp_path):
    def captured(name):
        qanat("sources", "--capture", "timer", "--samples", "400", "--output", str(tmp_path / name))
        return json.loads((tmp_path / f"{name}.json").read_text())

    idle = captured("idle")
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() or 1)]
    try:
        loaded = captured("loaded")
    finally:
        for process in busy:
            process.kill()
            process.wait()
    # 62 a second, less the wake-ups that tell the counter's step.
    assert loaded["samples_per_second"] >= idle["samples_per_second"] / 2 > 25, (idle, loaded)
    assert idle["processor_seconds"] / idle["seconds"] < 0.01, idle
    assert min(idle["estimate"], loaded["estimate"]) > idle["settings"]["h"], (idle, loaded)
