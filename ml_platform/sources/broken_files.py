"""Refusals whose remedy depends on where the file lies: in the landing folder, as they say, or where `new` reads it."""

from ml_platform.errors import FileRefused


class ContentBroken(FileRefused):
    """The content of a file is to be mended where it came from."""

    def __init__(
        self,
        path: str,
        problem: str,
        *,
        position: str = "",
        remedy: str = "Mend the file and land it again; the other files go on.",
    ) -> None:
        super().__init__(path, problem, position=position, remedy=remedy)


class WrongEncoding(FileRefused):
    """The text of a file is in another encoding. `likely`: which it may be, as iconv and Python call it; "" if any."""

    def __init__(self, path: str, problem: str, *, position: str = "", likely: str = "") -> None:
        self.likely = likely
        remedy = "Declare encoding= as the file is, or leave it out for UTF-8."
        if likely:
            remedy = f'Declare Files(…, encoding="{likely.lower()}"), or convert it: iconv -f {likely} -t UTF-8.'
        super().__init__(path, problem, position=position, remedy=remedy)
