"""USB cameras, as far as it goes without one: which name is the stable one, and what is said where there is no camera."""

from pathlib import Path

import pytest

from agent import config
from agent.camera import usb
from agent.errors import NeedsOperator, RetryLater


def opened(source: str) -> None:
    usb.opened(config.Camera(driver="opencv", source=source))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """As udev leaves them: two devices with links by number, one of them with a serial number too."""
    by_id, by_path = tmp_path / "by-id", tmp_path / "by-path"
    for name in ("video0", "video2", "video4"):
        (tmp_path / name).touch()
    for folder, name, device in ((by_path, "usb-1", "video0"), (by_path, "usb-2", "video2"), (by_id, "usb-Maker_0042", "video2")):
        folder.mkdir(exist_ok=True)
        (folder / f"{name}-video-index0").symlink_to(tmp_path / device)
    return by_id, by_path


def test_the_stable_name_is_the_cameras_own_or_else_that_of_its_socket(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    by_id, by_path = folders
    assert usb.stable_name(str(tmp_path / "video2"), folders) == by_id / "usb-Maker_0042-video-index0"
    assert usb.stable_name(str(tmp_path / "video0"), folders) == by_path / "usb-1-video-index0"
    assert usb.stable_name(str(tmp_path / "video4"), folders) is None


def test_folders_that_went_with_the_last_camera_are_no_trouble(tmp_path: Path) -> None:
    assert usb.stable_name("/dev/null", (tmp_path / "by-id", tmp_path / "by-path")) is None


def test_a_camera_that_is_not_there_is_named_with_those_that_are(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb, "_STABLE", folders)
    with pytest.raises(
        RetryLater, match=r"^/dev/v4l/by-id/usb-Other is not there; .* set camera\.source to .*/by-id/usb-Maker_0042-video-index0$"
    ):
        opened("/dev/v4l/by-id/usb-Other")


def test_a_device_nobody_may_open_is_the_operators_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "video0"
    device.touch()
    monkeypatch.setattr("os.access", lambda *_: False)  # the tests may run as root, who may open everything
    with pytest.raises(NeedsOperator, match="usermod -aG video"):
        opened(str(device))
