"""How pyiceberg reads and writes the files of tables on S3: the lake's own way, so that metadata are as all else is."""

import os
from typing import Any

from pyiceberg.io.fsspec import FsspecFileIO

from blocks.lake import S3FS, s3fs


class LakeFiles(FsspecFileIO):
    """Encrypted and tagged as the lake says, over the connections that it has.

    pyiceberg's own (0.12) knows no tags, and makes connections once more for each thread.
    """

    def get_fs(self, scheme: str, hostname: str | None = None) -> Any:  # noqa: ANN401  # as it is there
        """The file system of what is at `scheme://`."""
        if scheme == "s3" and (options := self.properties.get(S3FS)):
            return s3fs(options, os.getpid())
        return super().get_fs(scheme, hostname)
