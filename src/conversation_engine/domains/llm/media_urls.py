"""Where an image or a file may be: in a data URL, or at an address that the model's service fetches."""

import re
from typing import Final

_IMAGE_DATA: Final = re.compile(r"data:image/[a-z0-9.+-]+;base64,[A-Za-z0-9+/]+={0,2}")
_FILE_DATA: Final = re.compile(r"data:[a-z]+/[A-Za-z0-9.+-]+;base64,[A-Za-z0-9+/]+={0,2}")
_ADDRESS: Final = re.compile(r"https?://[^\s]{1,2000}")


def is_image_url(text: str) -> bool:
    """Whether an image can be there."""
    return bool(_IMAGE_DATA.fullmatch(text) or _ADDRESS.fullmatch(text))


def is_file_url(text: str) -> bool:
    """Whether a file can be there."""
    return bool(_FILE_DATA.fullmatch(text) or _ADDRESS.fullmatch(text))
