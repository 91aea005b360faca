"""settings: what of one environment the apply command is told by a TOML file, secrets left where they are.

[pool]
type = "kubernetes"
variables = { image = "registry.example.org/inlet:1.4", namespace = "inlet" }

[blocks."sftp-server/cclf"]
host = { env = "CCLF_HOST" }
user = "aco-0001"
private_key = { file = "/run/secrets/cclf/id_ed25519" }
host_key = { aws = "inlet/cclf", field = "host_key" }

[limits]
"sftp.example.org" = 1

[alerts]
blocks = ["slack-webhook/inlet"]
"""

import json
import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import boto3  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from pydantic import BaseModel, Field, ValidationError


class SettingsError(Exception):
    """The settings cannot be understood, or what they name is not as they say: the message says what to correct."""


class NotSet(Exception):
    """What a setting refers to is not there: a variable, a file, a secret."""


class Pool(BaseModel, frozen=True, extra="forbid"):
    """The work pool: its type, and defaults of the job variables that its workers start runs with."""

    name: str = "inlet"
    type: Literal["process", "kubernetes"] = "process"
    variables: dict[str, Any] = {}


class Alerts(BaseModel, frozen=True, extra="forbid"):
    """The notification blocks, each `type/name`, by which automations tell."""

    blocks: tuple[str, ...] = Field(min_length=1)


class Settings(BaseModel, frozen=True, extra="forbid"):
    """One environment.

    `blocks` are the fields of blocks by `type/name`; `limits` how many runs may use a server at once, by its name, of
    those whose number is not `PER_SERVER`. A value that is a table with `env`, `file` or `aws` is a reference:
    what it is stands in that environment variable (else in `default`), in that file (of a mounted secret), or in AWS
    Secrets Manager, where `field` picks one of a secret that is a JSON object.
    """

    pool: Pool = Pool()
    blocks: dict[str, dict[str, Any]] = {}
    limits: dict[str, int] = {}
    alerts: Alerts | None = None


def read(path: Path) -> Settings:
    """The settings in a file; raises `SettingsError`."""
    try:
        return Settings.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is no TOML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{path}: {wrong}") from error


def resolved(value: Any) -> Any:  # noqa: ANN401  # whatever TOML holds
    """A value with what its references stand for in their place; raises `NotSet`."""
    if isinstance(value, list):
        return [resolved(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    match dict(value):
        case {"env": str(name), **rest} if rest.keys() <= {"default"}:
            text = os.environ.get(name) or rest.get("default")
            if text is None:
                raise NotSet(f"the variable {name} is not set")
            return text
        case {"file": str(name), **rest} if not rest:
            try:
                return Path(name).read_text()
            except OSError as error:
                raise NotSet(f"{name} cannot be read: {error.strerror}") from error
        case {"aws": str(name), **rest} if rest.keys() <= {"field"}:
            return _aws(name, rest.get("field"))
    return {key: resolved(one) for key, one in value.items()}


@cache
def _aws(name: str, field: str | None) -> str:
    try:
        text: str = boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
        return text if field is None else str(json.loads(text)[field])
    except (BotoCoreError, ClientError) as error:
        raise NotSet(f"the secret {name} cannot be had: {error}") from error
    except (KeyError, ValueError) as error:
        raise NotSet(f"the secret {name} has no text, or no field {field}") from error
