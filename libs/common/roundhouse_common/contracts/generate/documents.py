"""The generated files that are kept in the repository, so that a change of a contract shows in review."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.asyncapi import asyncapi_document
from roundhouse_common.contracts.generate.permissions import NODE_ID, permissions_of
from roundhouse_common.contracts.generate.server import nats_config
from roundhouse_common.contracts.generate.streams import stream_configs

__all__ = ["documents"]


def documents() -> dict[str, str]:
    """Return path below the root of the repository -> content."""
    return {
        "docs/reference/asyncapi.json": _json(asyncapi_document()),
        "tests/golden/nats-permissions.json": _json(_permissions()),
        "tests/golden/nats-streams.json": _json(
            {
                config.name: {"provisioners": [one.value for one in config.provisioners], **config.to_api()}
                for config in stream_configs()
            }
        ),
        "tests/golden/nats.conf": nats_config(
            port=8805,
            jetstream_dir=Path("/data/nats/jetstream"),
            accounts_dir=Path("/data/nats/accounts"),
            operator_jwt="OPERATOR_JWT",
            system_account="SYSTEM_ACCOUNT",
            system_account_jwt="SYSTEM_ACCOUNT_JWT",
        ),
    }


def _permissions() -> dict[str, Any]:  # Any: a JSON document
    return {
        service.value: asdict(permissions_of(service, NODE_ID if service is Service.NODE_AGENT else ""))
        for service in Service
    }


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
