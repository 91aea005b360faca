"""The key by which identifiers become pseudonyms."""

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class HashKey(Block):
    """A key for `spark.privacy.Hash`: who has it can find out whose a pseudonym is, and who loses it cannot go on.

    The same key makes the same pseudonyms in every source that names it. With another key the drops of these sources
    are transformed again.

    Example:
        Make the pseudonym of a value, as a source has it in Transformed:
        ```python
        import hmac

        from blocks.hash_key import HashKey

        block = HashKey.load("BLOCK_NAME")
        hmac.new(block.key.get_secret_value().encode(), b"A17", "sha256").hexdigest()
        ```
    """

    _block_type_name = "Hash key"
    _block_type_slug = "hash-key"
    _description = "A key by which identifiers of people become pseudonyms."

    key: SecretStr = Field(
        min_length=32, description="Any text of 32 characters or more that nobody can guess: `openssl rand -base64 32`."
    )
