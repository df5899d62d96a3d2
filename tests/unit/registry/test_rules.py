from __future__ import annotations

from collections.abc import Callable

import pytest

from mlgitops import registry
from mlgitops.errors import InvalidError

Files = dict[str, bytes]
Change = Callable[[str, str, str], None]
VERSION, STAGING = "versions/2.yaml", "stages/staging.yaml"


def problems(files: Files, base: Files | None = None) -> list[str]:
    before = registry.load_files(base) if base is not None else None
    return [str(problem) for problem in registry.validate(registry.read_files(files), before)]


def test_a_sound_registry_has_no_problems(files: Files) -> None:
    assert problems(files) == []
    assert problems(files, dict(files)) == []


def test_an_unknown_version_is_named_with_those_that_exist(files: Files, change: Change) -> None:
    change("stages/production.yaml", 'version: "1"', 'version: "9"')
    (problem,) = problems(files)
    place = "registry/models/iris/stages/production.yaml:8: spec.version"
    assert problem == f'{place} "9" names no ModelVersion of model iris; known: 1, 2'


def test_an_unknown_model_is_named_wherever_it_is_named(files: Files, change: Change) -> None:
    change("prod/iris.yaml", "modelRef: {name: iris}", "modelRef: {name: rose}")
    assert problems(files) == [
        'registry/deployments/prod/iris.yaml:6: spec.modelRef.name "rose" names no Model; known: iris'
    ]


def test_an_unknown_stage_is_named_with_the_models_stages(files: Files, change: Change) -> None:
    change("prod/iris.yaml", "stage: production", "stage: prod")
    assert problems(files) == [
        'registry/deployments/prod/iris.yaml:7: spec.stage "prod" is no stage of model iris; known: staging, production'
    ]


def test_five_mistakes_are_seen_as_five(files: Files, change: Change) -> None:
    change("stages/production.yaml", 'version: "1"', "version: 1")
    change(VERSION, "format: onnx", "fromat: onnx")
    change("policies/default.yaml", "prefixes", "prefix")
    change("prod/iris.yaml", "stage: production", 'stage: production\n  version: "1"')
    change("runtimes/python-1.yaml", "name: server", "name: main")
    found = problems(files)
    for expected in (
        'stages/production.yaml:8: spec.version must be a string; put it in quotes, as in "1"',
        'versions/2.yaml:11: spec.artifact.fromat is not a field; did you mean "format"?',
        'policies/default.yaml:7: spec.artifacts.prefix is not a field; did you mean "prefixes"?',
        "prod/iris.yaml:5: spec must set exactly one of stage and version",
        ": spec.containers must have one named server",
    ):
        assert any(line.endswith(expected) for line in found), (expected, found)


def test_a_broken_file_does_not_hide_the_mistakes_of_others(files: Files, change: Change) -> None:
    change("prod/iris.yaml", "stage: production", "stage: nowhere")
    files["registry/policies/broken.yaml"] = b"a: [\n"
    found = problems(files)
    assert any("policies/broken.yaml:2 is not YAML" in line for line in found)
    assert any('spec.stage "nowhere"' in line for line in found)


@pytest.mark.parametrize("path", ["policies/default.yaml", "models/iris/model.yaml", VERSION, "runtimes/python-1.yaml"])
def test_what_cannot_be_read_is_not_also_called_missing(files: Files, change: Change, path: str) -> None:
    change("stages/production.yaml", 'version: "1"', 'version: "2"')
    change("prod/iris.yaml", "stage: production", "stage: production\n  runtimeRef: {name: python-1}")
    change(path, "spec:", "specs:")
    assert all(f"{path}:" in line for line in problems(files))


def test_a_file_must_lie_where_its_object_says(files: Files) -> None:
    files["registry/models/iris/versions/3.yaml"] = files.pop("registry/models/iris/versions/2.yaml")
    (problem,) = problems(files)
    wanted = "registry/models/iris/versions/2.yaml"
    assert (
        problem
        == f"registry/models/iris/versions/3.yaml:4: metadata.name says that this file is {wanted}; move it there"
    )


@pytest.mark.parametrize("path", ["registry/models/iris/versions/2.yml", "registry/extra dir/ü.yaml"])
def test_names_with_other_endings_spaces_and_unicode_are_misplaced_not_fatal(files: Files, path: str) -> None:
    files[path] = files.pop("registry/models/iris/versions/2.yaml")
    assert [line.split(":")[0] for line in problems(files)] == [path]


@pytest.mark.parametrize("copy", ["registry/policies/other.yaml", "registry/policies/a.yaml"])
def test_one_object_in_two_files_is_reported_once_at_the_file_that_is_out_of_place(files: Files, copy: str) -> None:
    files[copy] = files["registry/policies/default.yaml"]
    (problem,) = problems(files)
    place = f"{copy}:4: metadata.name PromotionPolicy default is in registry/policies/default.yaml already"
    assert problem == f"{place}; give this one a name of its own, or delete this file"


def test_two_environments_may_have_a_deployment_of_one_name(files: Files) -> None:
    files["registry/deployments/test/iris.yaml"] = files["registry/deployments/prod/iris.yaml"]
    assert problems(files) == []


def test_paths_that_differ_only_in_case_are_reported(files: Files) -> None:
    files["registry/policies/Default.yaml"] = files["registry/policies/default.yaml"]
    assert any(
        "differs from registry/policies/Default.yaml only in upper and lower case" in line for line in problems(files)
    )


def test_a_circle_of_stages_is_reported_with_its_way(files: Files, change: Change) -> None:
    change("model.yaml", "- name: staging\n", "- name: staging\n    after: [production]\n")
    assert any("spec.stages come after each other in a circle: " in line for line in problems(files))


def test_a_stage_after_one_that_is_not_there_is_refused(files: Files, change: Change) -> None:
    change("model.yaml", "after: [staging]", "after: [testing]")
    told = "must name other stages of this list in after, but production names testing"
    assert any(line.endswith(f": spec.stages {told}") for line in problems(files))


def test_a_model_needs_its_policy(files: Files) -> None:
    del files["registry/policies/default.yaml"]
    assert problems(files) == [
        'registry/models/iris/model.yaml:5: spec "default" names no PromotionPolicy; known: none'
    ]


@pytest.mark.parametrize(
    "uri", ["s3://other/iris", "s3://models-evil/iris", "s3://models/../other/iris", "file:///etc/passwd"]
)
def test_an_artifact_outside_of_the_policys_prefixes_is_refused(files: Files, change: Change, uri: str) -> None:
    change(VERSION, "uri: s3://models/iris/2", f"uri: {uri}")
    assert problems(files) == [
        f"registry/models/iris/versions/2.yaml:9: spec.artifact.uri {uri} is outside of what policy default allows: s3://models/"
    ]


def test_a_version_asks_to_run_code_only_of_a_format_that_the_bases_policy_allows(files: Files, change: Change) -> None:
    grant = "artifacts:", "formats: {allowCode: [onnx]}\n  artifacts:"
    base = dict(files)
    change(VERSION, "format: onnx", "format: onnx\n    allowCode: true")
    refusal = (
        "registry/models/iris/versions/2.yaml:12: spec.artifact.allowCode asks to run code of the format onnx, "
        "which policy default does not allow; its spec.formats.allowCode: none"
    )
    assert problems(files) == [refusal]
    change("policies/default.yaml", *grant)
    assert problems(files) == []
    assert refusal in problems(files, base)


def test_the_bases_policy_holds_not_the_one_that_the_change_brings(files: Files, change: Change) -> None:
    base = dict(files)
    change("policies/default.yaml", "s3://models/", "s3://other/")
    change(VERSION, "uri: s3://models/iris/2", "uri: s3://other/iris/2")
    assert any("outside of what policy default allows: s3://models/" in line for line in problems(files, base))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("digest: sha256:0", "digest: sha256:1", "spec.artifact is immutable in its digest and format"),
        (
            'version: "2"',
            'version: "2"\n  params: [{name: C, value: "1"}]',
            ":8: spec.params is immutable; propose a new version",
        ),
        (
            'version: "2"',
            'version: "2"\n  environment: {python: "3.11"}',
            "spec.environment is immutable, but for an image",
        ),
    ],
)
def test_an_edited_version_is_refused(files: Files, change: Change, old: str, new: str, expected: str) -> None:
    base = dict(files)
    change(VERSION, old, new)
    assert any(expected in line for line in problems(files, base))
    assert problems(files) == []


def test_lifecycle_tags_and_places_of_a_version_may_change(files: Files, change: Change) -> None:
    base = dict(files)
    change(VERSION, "uri: s3://models/iris/2", 'uri: s3://models/moved/2\n    mirrors: ["s3://models/mirror/2"]')
    change(VERSION, 'version: "2"', 'version: "2"\n  tags: {a: b}\n  lifecycle: {state: Rejected, reason: leaks}')
    assert problems(files, base) == []


def test_a_changed_runtime_is_refused(files: Files, change: Change) -> None:
    base = dict(files)
    change(
        "runtimes/python-1.yaml",
        "name: server, image: mlgitops.dev/python:1",
        "name: server, image: mlgitops.dev/python:2",
    )
    assert any("is immutable; make a ServingRuntime with a new name" in line for line in problems(files, base))


def test_a_version_that_no_runtime_serves_is_refused_with_the_nearest(files: Files, change: Change) -> None:
    change(VERSION, "format: onnx", "format: skops")
    assert any(
        "versions/2.yaml:11: spec.artifact.format cannot be served: no ServingRuntime fits iris.2 (format skops); "
        "the nearest is python-1: it serves onnx, not skops" in line
        for line in problems(files)
    )


def test_a_rejected_version_needs_no_runtime(files: Files, change: Change) -> None:
    change(VERSION, "format: onnx", "format: skops\n  lifecycle: {state: Rejected, reason: leaks}")
    assert problems(files) == []


def test_a_deployments_own_runtime_must_exist(files: Files, change: Change) -> None:
    change("prod/iris.yaml", "stage: production", "stage: production\n  runtimeRef: {name: python-2}")
    assert any(
        'spec.runtimeRef.name "python-2" names no ServingRuntime; known: python-1' in line for line in problems(files)
    )


def test_a_range_of_a_runtime_must_be_one(files: Files, change: Change) -> None:
    change("runtimes/python-1.yaml", "- name: onnx", '- name: onnx\n    packages: {onnx: ">=1.x.y"}')
    assert any("is not a version range (PEP 440)" in line for line in problems(files))


def test_a_namespace_in_a_file_is_refused(files: Files, change: Change) -> None:
    change("prod/iris.yaml", "name: iris\nspec", "name: iris\n  namespace: elsewhere\nspec")
    assert any("metadata.namespace must not be set" in line for line in problems(files))


def test_an_override_does_not_belong_into_git(files: Files) -> None:
    files["registry/deployments/prod/override.yaml"] = (
        b"apiVersion: mlgitops.dev/v1alpha1\nkind: ModelOverride\nmetadata: {name: iris}\n"
        b'spec: {version: "1", reason: x, by: alice, expiresAt: "2026-12-01T00:00:00Z"}\n'
    )
    assert any("ModelOverride does not belong into registry/" in line for line in problems(files))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"kind: List\n", "kind 'List' is none of ours"),
        (b"kind: ModelVerson\n", 'did you mean "ModelVersion"?'),
        (b"apiVersion: v1\nkind: Model\n", "apiVersion must be mlgitops.dev/v1alpha1"),
        (b"a: b\n", "kind is missing"),
    ],
)
def test_what_is_none_of_our_kinds_is_refused(files: Files, text: bytes, expected: str) -> None:
    files["registry/policies/x.yaml"] = text
    assert any(expected in line for line in problems(files))


def test_loading_refuses_what_reading_only_notes(files: Files) -> None:
    files["registry/policies/x.yaml"] = b"a: b\n"
    assert len(registry.read_files(files).problems) == 1
    with pytest.raises(InvalidError, match=r"registry/policies/x\.yaml:1: kind is missing"):
        registry.load_files(files)


def test_a_version_cannot_choose_the_policy_that_lets_it_be_fetched(files: Files, change: Change) -> None:
    policy = files["registry/policies/default.yaml"]
    files["registry/policies/lax.yaml"] = policy.replace(b"name: default", b"name: lax").replace(
        b"s3://models/", b"s3://elsewhere/"
    )
    base = dict(files)
    change("models/iris/model.yaml", "spec:", "spec:\n  policyRef: {name: lax}")
    change(VERSION, "s3://models/iris/2", "s3://elsewhere/iris/2")
    (problem,) = problems(files, base)
    assert problem.endswith("is outside of what policy default allows: s3://models/")


def test_a_version_goes_only_together_with_its_model(files: Files) -> None:
    base = dict(files)
    del files["registry/models/iris/versions/2.yaml"]
    (problem,) = problems(files, base)
    assert problem.startswith("registry/models/iris/versions/2.yaml ModelVersion iris.2 must stay")
    for path in [path for path in files if "/models/" in path or "/deployments/" in path]:
        del files[path]
    assert problems(files, base) == []


def test_a_runtime_stays_while_a_deployment_picks_it(files: Files) -> None:
    first, second = "registry/runtimes/python-1.yaml", "registry/runtimes/python-2.yaml"
    files[second] = files[first].replace(b"name: python-1", b"name: python-2")
    base = dict(files)
    del files[first]
    (problem,) = problems(files, base)
    assert problem.startswith(f"{first} ServingRuntime python-1 must stay while deployments pick it: iris")
    files = dict(base)
    del files[second]
    assert problems(files, base) == []


def test_what_lies_in_a_broken_file_is_not_called_removed(files: Files) -> None:
    base = dict(files)
    files["registry/models/iris/versions/2.yaml"] = b"kind: [\n"
    assert not any("must stay" in problem for problem in problems(files, base))


def test_a_freeze_names_a_time_zone_that_there_is_and_ends_after_it_starts(files: Files, change: Change) -> None:
    freezes = (
        "spec:\n  freezes:\n  - {name: weekend, weekly: {days: [Sunday], timeZone: Europe/Zuerich}}\n"
        '  - {name: audit, start: "2026-12-02T00:00:00Z", end: "2026-12-02T00:30:00+01:00"}\n'
    )
    change("policies/default.yaml", "spec:\n", freezes)
    assert problems(files) == [
        (
            "registry/policies/default.yaml:7: spec.freezes[0].weekly.timeZone "
            '"Europe/Zuerich" is no time zone of the IANA database, such as Europe/Zurich'
        ),
        "registry/policies/default.yaml:8: spec.freezes[1].end must be later than start, which is 2026-12-02T00:00:00Z",
    ]


def test_a_field_that_this_release_does_not_act_on_is_a_problem_with_the_next_step(
    files: Files, change: Change
) -> None:
    change("prod/iris.yaml", "stage: production", "stage: production\n  engine:\n    name: KServe")
    (problem,) = problems(files)
    assert problem.startswith("registry/deployments/prod/iris.yaml:9: spec.engine.name is not supported: ")
    assert "set it to Kubernetes" in problem


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("checks: [{name: load test}]", "spec.checks"),
        ("autoPromotion: {stages: [staging]}", "spec.autoPromotion"),
        ("rollback: {autoMerge: true}", "spec.rollback.autoMerge"),
    ],
)
def test_so_is_one_of_a_policy(files: Files, change: Change, text: str, field: str) -> None:
    change("policies/default.yaml", "spec:", f"spec:\n  {text}")
    (problem,) = problems(files)
    assert problem.startswith(f"registry/policies/default.yaml:6: {field} is not supported: ")


def test_what_says_no_more_than_the_default_is_supported(files: Files, change: Change) -> None:
    change("policies/default.yaml", "spec:", "spec:\n  rollback: {autoMerge: false}\n  checks: []")
    assert problems(files) == []


@pytest.mark.parametrize("named", [True, False])
def test_a_deployment_that_asks_more_than_its_runtime_can_is_invalid(files: Files, change: Change, named: bool) -> None:
    reference = "\n  runtimeRef: {name: python-1}" if named else ""
    change(
        "prod/iris.yaml", "stage: production", f"stage: production{reference}\n  monitoring: {{serviceMonitor: true}}"
    )
    (problem,) = problems(files)
    assert "python-1: it lacks the capability Metrics, which spec.monitoring.serviceMonitor asks for" in problem
