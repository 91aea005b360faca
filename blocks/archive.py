"""The password that a party locks its archives with."""

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class ArchivePassword(Block):
    """A password that a party locks its zip or 7z archives with.

    Example:
        Unpack a zip that is locked in the old way:
        ```python
        import zipfile

        from blocks.archive import ArchivePassword

        block = ArchivePassword.load("BLOCK_NAME")
        with zipfile.ZipFile("file.zip") as archive:
            archive.extractall("folder", pwd=block.password.get_secret_value().encode())
        ```
    """

    _block_type_name = "Archive password"
    _block_type_slug = "archive-password"
    _description = "A password that a party locks its zip or 7z archives with."

    password: SecretStr = Field(description="Password of the party's archives.")
    previous_password: SecretStr | None = Field(
        default=None, description="The one before, while passwords change: an archive may be locked with either."
    )

    def passwords(self) -> tuple[SecretStr, ...]:
        """Those to try, the present one first."""
        return (self.password,) if self.previous_password is None else (self.password, self.previous_password)
