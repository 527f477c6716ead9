"""What an administrator does over REST, for process tests."""

from typing import Any

from tests.process.platform import Platform, fetch, send


class Control:
    """The catalog's and the scheduler's REST of one platform. Answers are JSON documents."""

    def __init__(self, platform: Platform) -> None:
        connection = platform.connection
        self.catalog = f"{connection['catalog_url']}/api/v1"
        self.scheduler = f"{connection['scheduler_url']}/api/v1"
        self.token = connection["admin_token"]

    async def deployment(self, name: str) -> dict[str, Any]:
        """Return the deployment with this name."""
        (found,) = (await fetch(f"{self.catalog}/deployments", self.token, name=name))["items"]
        return dict(found)

    async def status(self, deployment_id: str) -> dict[str, Any]:
        """Return its status as the scheduler sees it."""
        return dict(await fetch(f"{self.scheduler}/deployments/{deployment_id}/status", self.token))

    async def versions(self, deployment_id: str) -> dict[int, dict[str, Any]]:
        """Return the states of its versions by number."""
        page = await fetch(f"{self.scheduler}/deployments/{deployment_id}/versions", self.token)
        return {item["number"]: item for item in page["items"]}

    async def events(self, deployment_id: str) -> list[dict[str, Any]]:
        """Return its whole timeline, oldest first."""
        found: list[dict[str, Any]] = []
        query = {"limit": "200"}
        while True:
            page = await fetch(f"{self.scheduler}/deployments/{deployment_id}/events", self.token, **query)
            found += page["items"]
            if page["next_cursor"] is None:
                return sorted(found, key=lambda event: str(event["at"]))
            query["cursor"] = page["next_cursor"]

    async def replicas(self, deployment_id: str) -> list[dict[str, Any]]:
        """Return its replicas that have not ended."""
        page = await fetch(f"{self.scheduler}/replicas", self.token, deployment_id=deployment_id, limit="200")
        return list(page["items"])

    async def change(self, deployment_id: str, **settings: object) -> None:
        """Change settings of a deployment."""
        await send("PATCH", f"{self.catalog}/deployments/{deployment_id}", self.token, settings)

    async def add_version(self, deployment_id: str, **body: object) -> dict[str, Any]:
        """Add a version, which becomes the active one."""
        url = f"{self.catalog}/deployments/{deployment_id}/versions"
        return dict(await send("POST", url, self.token, body, expect=201))
