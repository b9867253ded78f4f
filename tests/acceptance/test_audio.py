"""A sound card's input, for which ALSA's file plug-in stands: it records what is in a file, without a clock. When that ends it says
for ever that it has recorded, and writes nothing. A real /dev/snd: test_sound_and_video_guest.py."""

import json
import os
import threading

import pytest
from conftest import eventually, free_port, qanat
from sound import melody, recording, sine, white


@pytest.fixture
def sound(tmp_path, monkeypatch):
    """What PCM `recorded` records, once it is written."""
    (tmp_path / "asound.conf").write_text(f"""
pcm.recorded {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{tmp_path}/sound" format "raw" }}
pcm.muted {{ type null }}
""")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    said = qanat("sources", "audio:muted", "--json", check=False)
    if "built without ALSA" in said.stderr:
        pytest.skip("this qanat was built without ALSA (package libasound2-dev)")
    return tmp_path / "sound"


def probe(name, expect=0):
    done = qanat("sources", name, "--json", check=False)
    assert done.returncode == expect, done.stderr
    assert "ALSA lib" not in done.stderr, "what ALSA says is in the note"
    return json.loads(done.stdout)[0]


def serve(run, *more, name="audio:recorded"):
    return run("serve", "--source", name, *more, "--outlet", f"http://127.0.0.1:{free_port()}").up()


def test_noise_is_credited_until_its_end_repeats(run, sound):
    noise = recording(white(2), 5)
    sound.write_bytes(noise + 40 * noise[-12000:])
    node = serve(run)
    failed = eventually(lambda: (s := node.source("audio:recorded"))["state"] == "failed" and s)
    assert "replay" in failed["detail"], failed
    credited = failed["ledger"]["credited"]
    # All of it but what settles, is tested first, and is put in beyond what is credited; and next to nothing of the loop.
    assert 0.7 * 0.5 * 5 * 48000 < credited < 1.01 * 0.5 * 5 * 48000, failed
    assert 1.8 < failed["readings"]["noise_steps"] < 2.2 and failed["readings"]["rate_hertz"] == 48000, failed
    # Read on it is no better, nor from its beginning after another opening.
    again = eventually(lambda: (s := node.source("audio:recorded"))["failures"] >= 2 and s)
    assert again["state"] != "healthy" and again["ledger"]["credited"] == credited, again
    node.stop()


def test_the_same_recording_again_is_a_replay(run, sound):
    """Its PCM is closed while nobody wants bytes; opened again it gives what it gave before."""
    sound.write_bytes(recording(white(2), 20))
    node = serve(run, name="audio:recorded?h=1.5")
    healthy = eventually(lambda: (s := node.source("audio:recorded?h=1.5"))["ledger"]["credited"] > 0 and s)
    assert healthy["readings"]["noise_bits"] > 2, healthy

    def replayed():
        qanat("get", "256", "--format", "hex", "--state", str(node.state))
        source = node.source("audio:recorded?h=1.5")
        return "replay" in source["detail"] and source["state"] == "failed"

    eventually(replayed)


def test_a_claim_is_held_against_what_cannot_be_predicted(sound):
    sound.write_bytes(recording(white(1), 3))
    for h in (0.5, 1, 2):
        tried = probe(f"audio:recorded?h={h}", 1)
        # What is believed is read to its end, where the plug-in gives zeros.
        assert ("at most 1." if h == 2 else "only zeros") in tried["note"] and (tried["samples"] == 0) == (h == 2), tried


@pytest.mark.parametrize("signal,words", [
    (lambda _: 0, "only zeros: is it muted, or is nothing plugged in?"),
    (white(0.4), "what cannot be predicted has at most 0."),
    (lambda _, r=white(0.2): r(0), "three neighbouring values"),
    (white(40000), "is clipped"),
    (sine(997, 20000), "a tone or music"),
    (melody(6000), "a tone or music"),
    (lambda time: 90 if time * 100 % 1 < 0.5 else -90, "a tone?"),
], ids=["muted", "quiet", "dither", "clipped", "sine", "melody", "square"])
def test_what_is_no_noise_gives_nothing(sound, signal, words):
    sound.write_bytes(recording(signal, 2.7))
    tried = probe("audio:recorded", 1)
    assert tried["samples"] == 0 and words in tried["note"], tried


def test_a_muted_input_fails_and_is_tried_again(run, sound):
    node = serve(run, name="audio:muted")
    failed = eventually(lambda: (s := node.source("audio:muted"))["failures"] >= 2 and s)
    assert failed["ledger"]["credited"] == 0 and "muted" in failed["detail"], failed
    assert "muted" in qanat("events", "--state", str(node.state)).stdout
    assert node.stop() == 0


def test_an_input_that_is_not_there(run, sound):
    tried = probe("audio:hw:CARD=No,DEV=0", 1)
    assert tried["state"] == "gone" and "arecord -L" in tried["note"] and "hw:CARD=No,DEV=0" in tried["note"], tried
    node = serve(run)
    eventually(lambda: node.source("audio:recorded")["state"] == "gone")
    sound.write_bytes(recording(white(2), 3))
    eventually(lambda: node.source("audio:recorded")["ledger"]["credited"] > 0)


def test_a_plug_in_that_hangs_does_not_hold_up_the_end(run, sound):
    os.mkfifo(sound)
    piece = recording(white(2), 1)[:2048]
    writer = threading.Thread(target=lambda: sound.open("wb").write(piece), daemon=True)
    node = serve(run)
    writer.start()
    writer.join()
    assert node.stop() == 0
