"""Event files as TensorBoard reads them, written by tensorboardX: no TensorFlow, no TensorBoard."""

import io
from collections.abc import Mapping
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from cnnviz_jax.plugin import UsageError, reason_of, require


def build(place: str) -> "EventLog":
    """Return the log in a folder, which may hold other event files.

    Raises:
        UsageError: No folder is named or none can be made there, or tensorboardX is not installed.
    """
    if not place:
        raise UsageError("name the folder of the event files: tensorboard:FOLDER")
    package = require("tensorboardX", extra="tensorboard", what="a log for TensorBoard")
    try:
        return EventLog(package.SummaryWriter(place, write_to_disk=True))
    except OSError as error:
        raise UsageError(f"no event files can be written in {place!r}: {reason_of(error)}") from error


class EventLog:
    """One event file."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def image(self, tag: str, step: int, sheet: UInt8[ndarray, "h w 3"], caption: str) -> None:
        """Take one image; event files have no place for the caption."""
        # Not by `add_image`, which compresses as well as it can: five times as long for a tenth of the bytes.
        encoded = io.BytesIO()
        Image.fromarray(sheet).save(encoded, "PNG", compress_level=1)
        height, width = sheet.shape[:2]
        proto = require("tensorboardX.proto.summary_pb2", extra="tensorboard", what="a log for TensorBoard").Summary
        shown = proto.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded.getvalue())
        self._writer.file_writer.add_summary(proto(value=[proto.Value(tag=tag, image=shown)]), step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Take numbers by tag."""
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, step)

    def close(self) -> None:
        """Write what is not written yet."""
        self._writer.close()
