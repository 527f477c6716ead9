"""What is packed ahead of the first page is there under these names in the NiceGUI that is installed."""

from nicegui import core

from roundhouse_console.api.framework import ASSETS, CHANGING, first_assets
from roundhouse_console.kit import charts
from roundhouse_console.kit.own_files import OWN_FILES, OWN_FILES_URL
from tests.support.asgi_call import asgi_call

_LIBRARY_BYTES = 500_000


async def test_every_asset_of_the_first_page_is_there() -> None:
    assert charts.chart is not None  # its script is registered with the module
    paths = first_assets()
    sizes: dict[str, int] = {}
    for path in paths:
        assert path.startswith(ASSETS)
        assert not path.startswith(CHANGING)
        if path.startswith(OWN_FILES_URL):
            sizes[path] = (OWN_FILES / path.removeprefix(f"{OWN_FILES_URL}/")).stat().st_size
            continue
        answer = await asgi_call(core.app, "GET", path.encode())
        assert answer.status == 200, path
        sizes[path] = len(answer.body)
    assert any(path.endswith("/chart.js") for path in paths)
    assert any("/esm/" in path and size > _LIBRARY_BYTES for path, size in sizes.items()), "the chart's library"
    assert len(set(paths)) == len(paths)
