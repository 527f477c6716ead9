"""What a person needs after `roundhouse up`: addresses, the key, a line to paste."""

import json

from roundhouse_cli.connection import Connection
from roundhouse_cli.local.layout import DataDir

__all__ = ["banner", "curl_line"]


def curl_line(connection: Connection, model: str | None) -> str:
    """Return a command that answers when it is pasted into a shell; without a model it lists what there is."""
    head = f'curl {connection.router_url}/v1/{{}} -H "Authorization: Bearer {connection.api_key}"'
    if model is None:
        return head.format("models")
    body = {"model": model, "messages": [{"role": "user", "content": "What is gravity?"}]}
    data = json.dumps({**body, "max_tokens": 32, "temperature": 0})
    return f"{head.format('chat/completions')} -H \"Content-Type: application/json\" -d '{data}'"


def banner(connection: Connection, data_dir: DataDir, model: str | None) -> str:
    """Return the whole text."""
    return f"""
Roundhouse runs.

  console     {connection.console_url or "none (--no-console)"}
  OpenAI API  {connection.router_url}/v1
  API key     {connection.api_key}
  catalog     {connection.catalog_url}/api/v1
  scheduler   {connection.scheduler_url}/api/v1
  metering    {connection.metering_url}/api/v1
  data        {data_dir.path}
  login       admin, first password in {data_dir.secrets / "admin-password"}

Try it:

  {curl_line(connection, model)}
"""
