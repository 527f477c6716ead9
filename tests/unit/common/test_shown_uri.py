"""What of a source's uri may be shown."""

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.model_sources import shown_uri


def test_the_secret_of_an_upload_is_not_shown() -> None:
    source = ModelSource(kind=SourceKind.UPLOAD, uri="http://10.0.0.5:8801/api/v1/uploads/upl_1?token=s3cret/x")
    assert shown_uri(source) == "upl_1"


def test_every_other_uri_is_shown_as_it_is() -> None:
    for kind in set(SourceKind) - {SourceKind.UPLOAD}:
        assert shown_uri(ModelSource(kind=kind, uri="https://a/b?c=d")) == "https://a/b?c=d"
