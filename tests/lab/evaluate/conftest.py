from __future__ import annotations

from pathlib import Path

import pytest

from costream.lab.evaluate.datasets.ucf_crime import ANNOTATION
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode


@pytest.fixture(scope="session")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two encoded videos in the layout of UCF-Crime, and a file that is no video."""
    folder = tmp_path_factory.mktemp("annotated")
    for seed, name in ((2, "Fall/Fall1_x264.mp4"), (3, "Normal/Normal1_x264.mp4")):
        camera = SyntheticCamera(seed, width=320, height=180, fps=8, every=4)
        (folder / name).parent.mkdir()
        encode(
            (camera.frame(index) for index in range(96)),
            folder / name,
            fps=8,
            settings=EncoderSettings(gop=16),
        )
    (folder / "Fall/Torn1_x264.mp4").write_bytes(b"no video")
    names = ["Fall/Fall1_x264.mp4", "Normal/Normal1_x264.mp4", "Fall/Torn1_x264.mp4"]
    (folder / "Anomaly_Test.txt").write_text("\n".join(names))
    (folder / ANNOTATION).write_text(
        "Fall1_x264.mp4  Fall  40  71  -1  -1\nNormal1_x264.mp4  Normal  -1  -1  -1  -1\n"
        "Torn1_x264.mp4  Fall  40  71  -1  -1\n"
    )
    return folder
