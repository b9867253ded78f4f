"""A guest with a sound card and a camera: Linux's own stand-ins for them (snd-aloop, vivid), at /dev/snd and /dev/video0."""

import json
import pathlib
import re
import shutil

import pytest
from conftest import need
from guest import GENERIC, guest_libraries, make_initramfs, program, run_guest
from sound import recording, white

MODULES = [
    "../sound/soundcore", "../sound/core/snd", "../sound/core/snd-timer", "../sound/core/snd-pcm", "../sound/drivers/snd-aloop",
    "media/mc/mc", "media/v4l2-core/videodev", "media/v4l2-core/v4l2-dv-timings", "media/common/v4l2-tpg/v4l2-tpg",
    "media/common/videobuf2/videobuf2-common", "media/common/videobuf2/videobuf2-memops", "media/common/videobuf2/videobuf2-v4l2",
    "media/common/videobuf2/videobuf2-vmalloc", "media/common/videobuf2/videobuf2-dma-contig", "media/rc/rc-core", "media/cec/core/cec",
    "media/test-drivers/vivid/vivid"]

# What is played into hw:Loopback,0 is recorded at hw:Loopback,1; while nothing is, that gives zeros.
SCRIPT = """
mkdir -p /run /var/lib
head -c 16 /dev/random > /dev/null
grep capture /proc/asound/pcm | sed 's/^/CARD /'
exec 2>/dev/null
play() { while :; do aplay -q -D hw:Loopback,0,0 -t raw -f S16_LE -r 48000 -c 1 /noise; sleep 0.2; done & }
try() { echo "$1 $(qanat sources "$2" --for $3 --json 2>/tmp/why) $(cat /tmp/why)"; }
status() { qanat status --json --state /var/lib/node; }
until_state() { for i in $(seq 200); do status | grep -o '"state":"[a-z-]*"' | head -1 | grep -q $1 && break; sleep 0.1; done; echo "$2 $(status)"; }

try SILENT audio:hw:Loopback,1,0 10s
play
sleep 0.5
try NOISE "audio:hw:Loopback,1,0?h=1" 2s
try RATE "audio:hw:CARD=Loopback,DEV=1,SUBDEV=0?rate=96000" 1s
arecord -q -D hw:Loopback,1,0 -t raw -f S16_LE -r 48000 -c 1 /dev/null & RECORDER=$!
sleep 0.5
try BUSY audio:hw:Loopback,1,0 1s
kill $RECORDER; wait $RECORDER

qanat serve --source audio:hw:Loopback,1,0 --source audio:plughw:Loopback,1,1 --outlet egd:/egd --state /var/lib/node & NODE=$!
until_state healthy RUNS
echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/unbind &
until_state gone UNPLUGGED
wait $!
echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/bind
until_state healthy BACK
kill $NODE; wait $NODE

echo "CAMERA $(test -c /dev/video0 && cat /sys/class/video4linux/video0/name)"
try BARS video:/dev/video0 2s
v4l2-ctl -d /dev/video0 -c test_pattern=21
try SNOW video:/dev/video0 3s
"""


def said(out, word):
    """What the script said after this word, on the same line."""
    found = re.search(rf"^{word} (.*?)\r?$", out, re.MULTILINE)
    assert found, f"no {word} in:\n{out[-4000:]}"
    return found[1]


def probed(out, word):
    """What `qanat sources` found; its other words follow."""
    return json.JSONDecoder().raw_decode(said(out, word))[0][0]


def sources(out, word):
    return json.loads(said(out, word))["sources"]


def programs():
    """Programs that play, record and set a camera, with what they read, as files of a guest."""
    files = []
    for name in ("aplay", "arecord", "v4l2-ctl"):
        need(name)
        binary = pathlib.Path(shutil.which(name)).resolve()
        files += [(binary, f"/bin/{name}"), *guest_libraries(binary)]
    return files + [(path, str(path)) for path in pathlib.Path("/usr/share/alsa").rglob("*") if path.is_file() and "ucm" not in str(path)]


def test_a_sound_card_and_a_camera(tmp_path):
    (tmp_path / "noise").write_bytes(recording(white(3), 20))
    image = make_initramfs(tmp_path / "initrd", SCRIPT, MODULES, [*program(), *programs(), (tmp_path / "noise", "/noise")], flavour=GENERIC)
    out = run_guest(image, memory=384, flavour=GENERIC)

    assert "Loopback" in said(out, "CARD")
    if "built without ALSA" in said(out, "SILENT"):
        pytest.skip("this qanat was built without ALSA (package libasound2-dev)")
    silent, noise, rate, busy = (probed(out, word) for word in ("SILENT", "NOISE", "RATE", "BUSY"))
    assert silent["samples"] == 0 and "muted" in silent["note"], silent
    assert noise["state"] == "healthy" and noise["samples"] >= 8192 and noise["measured"] > 1, noise
    assert rate["state"] == "gone" and "rate=48000 is what it has" in rate["note"], rate
    assert busy["state"] == "gone" and "another program holds it" in busy["note"], busy

    runs, unplugged, back = (sources(out, word)[0] for word in ("RUNS", "UNPLUGGED", "BACK"))
    assert runs["state"] == "healthy" and runs["ledger"]["credited"] > 0, runs
    assert unplugged["state"] == "gone" and "was unplugged" in unplugged["detail"], unplugged
    assert back["state"] == "healthy" and back["bytes"] > unplugged["bytes"], back
    # By whatever name, and whichever of its streams: one device counts once.
    second = sources(out, "BACK")[1]
    assert second["ledger"]["credited"] == 0, second

    assert "vivid" in said(out, "CAMERA")
    bars, snow = probed(out, "BARS"), probed(out, "SNOW")
    assert bars["state"] not in ("gone", "healthy") and bars["samples"] == 0, (bars, snow)
    assert snow["state"] != "gone" and snow["samples"] > 0, snow
