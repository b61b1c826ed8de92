"""Clients of AWS."""

from typing import Any

import boto3
from botocore.config import Config


def client(service: str, attempts: int, read_timeout: float, connections: int = 10) -> Any:
    # What we send is made here and needs no check of its types.
    config = Config(
        connect_timeout=0.7, read_timeout=read_timeout, max_pool_connections=connections, tcp_keepalive=True,
        retries={"mode": "standard", "total_max_attempts": attempts}, parameter_validation=False,
    )
    return boto3.client(service, config=config)
