"""Sessions of AWS that renew their keys before they end, as those of a role do after an hour.

botocore does so for what it finds by itself: the pod's role, or a profile. A role that a block names is assumed once by
`prefect_aws`, and by botocore again and again here.
"""

import asyncio
from functools import partial
from typing import Any

import boto3  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
from aiobotocore.credentials import AioDeferredRefreshableCredentials  # type: ignore[import-untyped]
from aiobotocore.session import AioSession  # type: ignore[import-untyped]
from botocore.credentials import (  # type: ignore[import-untyped]
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError  # type: ignore[import-untyped]
from prefect_aws import AwsCredentials


def access(given: AwsCredentials | None) -> dict[str, Any]:
    """Whose keys a block asks for, as JSON can say it, secrets among it: nobody's where botocore finds them by itself.

    `region` is that of STS, which botocore asks as well.
    """
    if given is None:
        return {}
    secret, arn = given.aws_secret_access_key, given.assume_role_arn
    said: dict[str, Any] = {
        "key": given.aws_access_key_id,
        "secret": secret and secret.get_secret_value(),
        "token": given.aws_session_token,
        "profile": given.profile_name,
        "role": arn and {"RoleArn": arn, **given.assume_role_kwargs.get_params_override()},
        "region": given.region_name,
    }
    return {name: value for name, value in said.items() if value}


def session(given: dict[str, Any]) -> boto3.session.Session:
    """A new session for what `access` has said: threads may use a client together, but not make two of one session."""
    return boto3.session.Session(botocore_session=botocore_session(given))


def botocore_session(given: dict[str, Any]) -> botocore.session.Session:
    """The same for who makes a session of boto3 of it."""
    found = _with_keys(botocore.session.Session(profile=given.get("profile")), given)
    if "role" in given:
        found._credentials = DeferredRefreshableCredentials(_role(given).fetch_credentials, "assume-role")
    return found


def aio_session(given: dict[str, Any]) -> AioSession:
    """The same for s3fs."""
    found = _with_keys(AioSession(profile=given.get("profile")), given)
    if "role" in given:
        fetch = partial(asyncio.to_thread, _role(given).fetch_credentials)
        found._credentials = AioDeferredRefreshableCredentials(fetch, "assume-role")
    return found


def _role(given: dict[str, Any]) -> AssumeRoleCredentialFetcher:
    """What assumes a role, again from a quarter of an hour before its keys end."""
    source = _with_keys(botocore.session.Session(profile=given.get("profile")), given)
    if (keys := source.get_credentials()) is None:
        raise NoCredentialsError
    said = dict(given["role"])
    return AssumeRoleCredentialFetcher(source.create_client, keys, said.pop("RoleArn"), said)


def _with_keys(found: Any, given: dict[str, Any]) -> Any:  # noqa: ANN401  # botocore has no types
    if "region" in given:  # None would hide the environment's
        found.set_config_variable("region", given["region"])
    if "key" in given:
        found.set_credentials(given["key"], given.get("secret"), given.get("token"))
    return found
